import json
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlit.common.errors import InputError
from vlit.data.formats.mimic_it import read_mimic_it
from vlit.data.images import Base64Image
from vlit.data.sample import Rejects, Turn

DATA = {
    "LA_INS_000001": {"instruction": "What?", "answer": "A dog.", "image_ids": ["LA_IMG_1"], "rel_ins_ids": []},
    "LA_INS_000002": {
        "instruction": "Which differ?",
        "answer": "The hats.",
        "image_ids": ["LA_IMG_1", "LA_IMG_2"],
        "rel_ins_ids": ["LA_INS_000009", "LA_INS_000001", "LA_INS_000004"],
    },
    "LA_INS_000003": {"instruction": "Who?", "answer": "Nobody.", "image_ids": ["LA_IMG_77"], "rel_ins_ids": []},
    "LA_INS_000004": {"instruction": "Say hi", "answer": "Hi.", "image_ids": [], "rel_ins_ids": ["LA_INS_000003"]},
}


@pytest.fixture
def files(tmp_path, png_text):
    images = {"LA_IMG_1": png_text((1, 0, 0)), "LA_IMG_2": png_text((2, 0, 0)), "LA_IMG_3": png_text((3, 0, 0))}
    (tmp_path / "LA_instructions.json").write_text(json.dumps({"meta": {"version": "0.0.1"}, "data": DATA}))
    (tmp_path / "LA_train.json").write_text(
        json.dumps({"LA_INS_000002": ["LA_INS_000001"], "LA_INS_000001": [], "LA_INS_000050": []})
    )
    (tmp_path / "LA.json").write_text(json.dumps(images))
    pd.DataFrame({"base64": images.values()}, index=list(images)).to_parquet(tmp_path / "LA.parquet")
    return tmp_path


def read(folder, images="LA.json", **options):
    rejects = Rejects()
    return read_mimic_it(folder / "LA_instructions.json", folder / images, rejects, **options), rejects


def keys(sample):
    return [image.key for image in sample.images]


def content(samples):
    """Samples without the form in which their images are stored."""
    return [(replace(sample, images=()), keys(sample)) for sample in samples]


def test_instructions_alone(files, png_text):
    samples, rejects = read(files)
    assert [sample.source_id for sample in samples] == ["LA_INS_000001", "LA_INS_000002", "LA_INS_000004"]
    assert [sample.id for sample in samples] == ["mimic_it/000000", "mimic_it/000001", "mimic_it/000003"]
    assert {sample.task for sample in samples} == {"LA"}
    assert samples[1].turns == (Turn("Which differ?", "The hats.", images=2),)
    assert keys(samples[1]) == [Base64Image(png_text((red, 0, 0))).key for red in (1, 2)]
    (row,) = rejects.rows
    assert (row.sample_id, row.reason) == ("mimic_it/000002", "missing image")
    assert "LA_IMG_77" in row.detail


def test_train_file_chooses_and_orders(files):
    samples, rejects = read(files, train=files / "LA_train.json", in_context=2)
    assert [sample.source_id for sample in samples] == ["LA_INS_000002", "LA_INS_000001"]
    assert samples[0].turns == (
        Turn("What?", "A dog.", images=1, supervised=False),
        Turn("Which differ?", "The hats.", images=2),
    )
    assert len(samples[0].images) == 3
    assert rejects.counts() == {"unknown instruction id": 1}


def test_absent_related_ids_are_left_out_and_counted(files):
    samples, rejects = read(files, in_context=2)
    by_id = {sample.source_id: sample for sample in samples}
    assert [turn.instruction for turn in by_id["LA_INS_000002"].turns] == ["What?", "Say hi", "Which differ?"]
    assert [turn.supervised for turn in by_id["LA_INS_000002"].turns] == [False, False, True]
    assert [turn.instruction for turn in by_id["LA_INS_000004"].turns] == ["Say hi"]  # its example lacks an image
    assert rejects.counts() == {"in-context example left out": 2, "missing image": 1}
    assert len(rejects) == 1


def test_parquet_equals_json(files):
    assert content(read(files, "LA.parquet", in_context=1)[0]) == content(read(files, "LA.json", in_context=1)[0])


def test_parquet_with_plain_columns_equals_json(files, png_text):
    table = pa.table({"id": ["LA_IMG_1", "LA_IMG_2"], "base64": [png_text((1, 0, 0)), png_text((2, 0, 0))]})
    pq.write_table(table, files / "plain.parquet")
    assert content(read(files, "plain.parquet")[0]) == content(read(files, "LA.json")[0])


def test_unreadable_image_is_set_aside(files, png_text):
    (files / "LA.json").write_text(json.dumps({"LA_IMG_1": png_text(), "LA_IMG_2": "xxxx"}))
    samples, rejects = read(files)
    assert "LA_INS_000002" not in [sample.source_id for sample in samples]
    assert rejects.counts() == {"missing image": 1, "unreadable image": 1}


@pytest.mark.parametrize(
    ("change", "reason"), [({"answer": ""}, "empty response"), ({"instruction": "<image>"}, "special token in text")]
)
def test_bad_text_is_set_aside(files, change, reason):
    data = {"LA_INS_000001": DATA["LA_INS_000001"] | change, "LA_INS_000004": DATA["LA_INS_000004"]}
    (files / "LA_instructions.json").write_text(json.dumps({"meta": {}, "data": data}))
    samples, rejects = read(files)
    assert len(samples) == 1
    assert rejects.counts() == {reason: 1}


@pytest.mark.parametrize("name", ["LA_instructions.json", "LA_train.json", "LA.json", "LA.parquet"])
def test_cut_off_files_are_named(files, name):
    path = files / name
    path.write_bytes(path.read_bytes()[:-30])
    images = name if name.endswith("parquet") else "LA.json"
    with pytest.raises(InputError, match=name) as caught:
        read(files, images, train=files / "LA_train.json")
    assert "\n" not in str(caught.value)


def test_files_of_another_format_are_named(files):
    (files / "LA.json").write_text("[1]")
    with pytest.raises(InputError, match=r"LA\.json"):
        read(files)
    (files / "LA_instructions.json").write_text('{"meta": {}}')
    with pytest.raises(InputError, match="no `data`"):
        read(files)


def test_absent_and_foreign_parquet(files):
    with pytest.raises(InputError, match=r"no file .*other\.parquet"):
        read(files, "other.parquet")
    pd.DataFrame({"jpeg": ["x"]}, index=["a"]).to_parquet(files / "other.parquet")
    with pytest.raises(InputError, match="column `base64`"):
        read(files, "other.parquet")
