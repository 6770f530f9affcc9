import json
import logging
import zipfile

import pytest

from vlit.common.errors import InputError
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.images import FileImage, ZipImage
from vlit.data.sample import Rejects, Turn

TURN = {"User": "What is it?", "AI": "A bus."}


def write(folder, kind, *annotations):
    content = {"image_source": "COCO 2014", "construction_time": "2023.10", "annotations": list(annotations)}
    (folder / f"{kind}.json").write_text(json.dumps(content))


def annotation(ids, conversations, kind="vqa"):
    return {"img_ids": ids, "instruction_type": kind, "conversations": conversations}


@pytest.fixture
def folder(tmp_path, write_image, png):
    write_image(tmp_path / "train2014" / "COCO_train2014_000000000042.jpg")
    write_image(tmp_path / "train2014" / "COCO_train2014_000000000043.jpg", (0, 255, 0))
    with zipfile.ZipFile(tmp_path / "region_images.zip", "w") as archive:
        archive.writestr("region_images/42_0.png", png())
    write(tmp_path, "global", annotation([42], [TURN]))
    write(tmp_path, "negative", annotation(["COCO_train2014_000000000043.jpg"], [TURN]))
    write(tmp_path, "region", annotation(["42_0.png"], [TURN]))
    return tmp_path


def read(folder, **options):
    rejects = Rejects()
    return read_coco_arc(folder, folder / "train2014", rejects, **options), rejects


def test_three_kinds(folder):
    samples, rejects = read(folder)
    assert [sample.id for sample in samples] == ["ours/global/000000", "ours/negative/000000", "ours/region/000000"]
    assert [sample.task for sample in samples] == ["global", "negative", "region"]
    assert samples[0].images == (FileImage(folder / "train2014" / "COCO_train2014_000000000042.jpg"),)
    assert samples[0].turns == (Turn("What is it?", "A bus.", images=1),)
    assert samples[2].images == (ZipImage(folder / "region_images.zip", "region_images/42_0.png"),)
    assert not rejects.rows


@pytest.mark.parametrize("image_id", [42, "42", "000000000042.jpg", "COCO_train2014_000000000042.jpg"])
def test_every_way_to_name_a_coco_image(folder, image_id):
    write(folder, "global", annotation([image_id], [TURN]))
    (sample,), _ = read(folder, kinds=["global"])
    assert sample.images[0].path.name == "COCO_train2014_000000000042.jpg"


@pytest.mark.parametrize("image_id", ["42_0.png", "42_0"])
def test_region_images_may_be_unpacked(folder, write_image, image_id):
    path = write_image(folder / "region_images" / "42_0.png")
    write(folder, "region", annotation([image_id], [TURN]))
    (sample,), _ = read(folder, kinds=["region"])
    assert sample.images == (FileImage(path),)


def test_shapes_of_a_conversation(folder):
    messages = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    write(
        folder,
        "global",
        annotation([42], [TURN, {"User": "And now?", "AI": "A car."}]),
        annotation([42], messages),
        annotation([42, 43], [[TURN], messages]),
    )
    samples, _ = read(folder, kinds=["global"])
    assert [sample.id for sample in samples] == [
        "ours/global/000000",
        "ours/global/000001",
        "ours/global/000002-0",
        "ours/global/000002-1",
    ]
    assert [len(sample.turns) for sample in samples] == [2, 1, 1, 1]
    assert samples[3].turns == (Turn("Q", "A", images=2),)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (annotation([], [TURN]), "no image ids"),
        (annotation([99], [TURN]), "missing image"),
        (annotation([42], []), "no conversation"),
        (annotation([42], [{"User": "Q", "AI": ""}]), "empty response"),
        (annotation([42], [{"User": "Q"}]), "turns do not alternate"),
        (annotation([42], [TURN, {"from": "human", "value": "Q"}]), "field absent"),
        (annotation([42], [{"User": "Q", "AI": "A</s>"}]), "special token in text"),
        ("text", "not a sample"),
    ],
)
def test_unusable_samples_are_set_aside(folder, bad, reason):
    write(folder, "global", bad, annotation([42], [TURN]))
    samples, rejects = read(folder, kinds=["global"])
    assert [sample.id for sample in samples] == ["ours/global/000001"]
    assert [(row.sample_id, row.reason) for row in rejects.rows] == [("ours/global/000000", reason)]


def test_one_bad_conversation_of_several(folder):
    write(folder, "global", annotation([42], [[TURN], [{"User": "Q", "AI": ""}]]))
    samples, rejects = read(folder, kinds=["global"])
    assert [sample.id for sample in samples] == ["ours/global/000000-0"]
    assert [row.sample_id for row in rejects.rows] == ["ours/global/000000-1"]


def test_absent_kind_needs_configuration(folder, caplog):
    (folder / "negative.json").unlink()
    with pytest.raises(InputError, match=r"negative\.json"):
        read(folder)
    with caplog.at_level(logging.INFO):
        samples, _ = read(folder, kinds=["global", "region"])
    assert len(samples) == 2
    assert "negative left out" in caplog.text


def test_bad_input_is_one_line_naming_the_file(folder):
    path = folder / "global.json"
    path.write_text(path.read_text()[:-10])
    with pytest.raises(InputError, match=r"global\.json is not valid JSON"):
        read(folder)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"global\.json .*annotations"):
        read(folder)
    with pytest.raises(InputError, match="unknown kinds"):
        read(folder, kinds=["local"])
    with pytest.raises(InputError, match="no image folder"):
        read_coco_arc(folder, folder / "nowhere", Rejects())
    (folder / "region_images.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"region_images\.zip"):
        read(folder, kinds=["region"])
