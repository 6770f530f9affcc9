"""Datasets as lists of ids: sources that only read, draws, curated lists, fingerprints."""

import json
import os
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.common.errors import InputError
from vlit.data.formats.llava import read_llava
from vlit.data.images import FileImage, unreadable
from vlit.data.sample import Rejects, Sample, Turn
from vlit.data.subset import (
    InstructionSource,
    KeptIds,
    equal_size,
    fingerprint,
    read_kept,
    sample_ids,
    select,
    write_kept,
)

IDS = st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=30)


@given(ids=IDS, seed=st.integers(0, 99), data=st.data())
def test_draw_is_a_subsequence_of_the_asked_size(ids, seed, data):
    size = data.draw(st.integers(0, len(ids)))
    drawn = sample_ids(ids, size, seed)
    assert len(drawn) == size
    assert drawn == [item for item in ids if item in set(drawn)]
    shuffled = data.draw(st.permutations(ids))
    assert set(sample_ids(shuffled, size, seed)) == set(drawn)


def test_draws_are_uniform_enough_and_depend_on_the_seed():
    ids = [f"{number:02d}" for number in range(10)]
    counts = dict.fromkeys(ids, 0)
    for seed in range(2000):
        for item in sample_ids(ids, 3, seed):
            counts[item] += 1
    assert all(abs(count - 600) < 120 for count in counts.values())  # six standard deviations


def test_impossible_draws():
    with pytest.raises(InputError, match="draw 3 of 2"):
        sample_ids(["a", "b"], 3, 0)
    with pytest.raises(InputError, match="1 ids repeat"):
        sample_ids(["a", "b", "a"], 1, 0)


def test_equal_size_is_the_smallest():
    assert equal_size({"llava": 10, "mimic_it": 7, "ours": 9}) == 7
    with pytest.raises(InputError, match="mimic_it"):
        equal_size({"llava": 10, "mimic_it": 0})
    with pytest.raises(InputError):
        equal_size({})


def test_select_keeps_the_lists_order():
    samples = [Sample(item, (), (Turn("q", "a"),)) for item in "abc"]
    assert select(samples, ["c", "a"]) == [samples[2], samples[0]]
    with pytest.raises(InputError, match=r"2 of 3 ids are not in the store \(first: x\)"):
        select(samples, ["a", "x", "y"])


def test_kept_ids_round_trip(tmp_path):
    rules = {"rank_by": ["MD"], "keep": 0.8, "judge": None}
    kept = KeptIds("ours", "abc", rules, ("ours/global/000001", "ours/global/000000"))
    write_kept(tmp_path / "kept_ids.json", kept)
    assert read_kept(tmp_path / "kept_ids.json") == kept
    assert kept.digest != KeptIds("ours", "abc", rules, kept.ids[::-1]).digest


@pytest.mark.parametrize(
    "content",
    [
        '{"dataset": "ours", "ids": []}',
        '{"dataset": "ours", "fingerprint": "abc", "ids": ["a"]}',  # of a version without rules
        "[]",
        '{"dataset": ',
    ],
)
def test_broken_kept_ids(tmp_path, content):
    (tmp_path / "kept_ids.json").write_text(content)
    with pytest.raises(InputError, match=r"kept_ids\.json"):
        read_kept(tmp_path / "kept_ids.json")
    with pytest.raises(InputError, match="no file"):
        read_kept(tmp_path / "absent.json")


def test_fingerprint_follows_content_not_place(tmp_path, write_image):
    def samples(folder, response="a", colour=(255, 0, 0)):
        image = FileImage(write_image(tmp_path / folder / "i.png", colour))
        return [Sample("s/0", (image,), (Turn("q", response, 1),)), Sample("s/1", (), (Turn("q", "a"),))]

    here = fingerprint(samples("here"))
    assert fingerprint(samples("there")) == here
    assert fingerprint(samples("here", response="b")) != here
    assert fingerprint(samples("here")[::-1]) != here
    assert fingerprint(samples("here")[:1]) != here


@pytest.fixture
def source(tmp_path, write_image):
    """A source of three samples in LLaVA's format, one of them with a broken image."""
    images = tmp_path / "images"
    for name in ("a.png", "b.png"):
        write_image(images / name)
    (images / "cut.png").write_bytes(b"no image")
    turns = [{"from": "human", "value": "What is it?"}, {"from": "gpt", "value": "A square."}]
    entries = [{"id": name, "image": name, "conversations": turns} for name in ("a.png", "cut.png", "b.png")]
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(entries))
    return InstructionSource("mine_qc", partial(read_llava, file, images), str(file), str(images), "mine")


def test_a_source_only_reads(source, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    rejects = Rejects()
    assert [sample.source_id for sample in source.load(rejects)] == ["a.png", "b.png"]
    assert rejects.counts() == {"unreadable image": 1}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert source.store == "mine"


def test_a_sources_images_can_be_checked_by_another_decoder(source):
    checked = []

    def check(images):
        checked.extend(images)
        return unreadable(checked)

    one, two = Rejects(), Rejects()
    assert source.load(one, check) == source.load(two)
    assert [(row.sample_id, row.reason) for row in one.rows] == [(row.sample_id, row.reason) for row in two.rows]
    assert [image.path.name for image in checked] == ["a.png", "cut.png", "b.png"]


def test_a_source_without_a_usable_sample_is_refused(source, tmp_path):
    (tmp_path / "mine.json").write_text("[]")
    with pytest.raises(InputError, match=r"mine\.json has no usable sample"):
        source.load(Rejects())


def test_the_state_of_a_source_follows_its_files(source, tmp_path):
    before = source.state()
    assert source.state() == before
    os.utime(tmp_path / "mine.json", ns=(1, 1))
    assert source.state() != before
    (tmp_path / "mine.json").unlink()
    with pytest.raises(InputError, match="no data at"):
        source.state()
