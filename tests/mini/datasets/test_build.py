"""The mini datasets are in their published formats, follow from the annotations, and are whole or absent."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.construct.sources.read import read_annotations
from vlit.mini.datasets.build import MiniDatasetSpec, MiniDatasetsSpec, build_mini_datasets
from vlit.mini.datasets.conversations import write_conversations
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.ours import GlobalWriter
from vlit.mini.datasets.phrases import ABILITIES

SPEC = MiniDatasetsSpec(MiniDatasetSpec(60, 0.08), MiniDatasetSpec(60, 0.05), MiniDatasetSpec(120, 0.25), seed=3)


@pytest.fixture
def built(world: Path, tmp_path: Path) -> Path:
    return build_mini_datasets(world, SPEC, tmp_path / "mini")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def conversations(built: Path, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_json(built / "ours" / f"{kind}.json")["annotations"]
    return found


def test_llava_is_in_its_published_format(built: Path) -> None:
    entries = read_json(built / "llava/llava_instruct_150k.json")
    assert len(entries) == 60
    for entry in entries:
        assert set(entry) == {"id", "image", "conversations"}
        assert entry["image"] == f"COCO_train2014_{entry['id']}.jpg"
        messages = entry["conversations"]
        assert [message["from"] for message in messages] == ["human", "gpt"] * (len(messages) // 2)
        assert 1 <= len(messages) // 2 <= 4
        assert [message["value"].count("<image>") for message in messages] == [1] + [0] * (len(messages) - 1)


def test_llava_contains_only_what_captions_and_boxes_contain(world: Path, tmp_path: Path) -> None:
    right = replace(SPEC, llava=MiniDatasetSpec(200, 0.0))
    entries = read_json(build_mini_datasets(world, right, tmp_path / "right") / "llava/llava_instruct_150k.json")
    of_image: dict[str, str] = {}
    for entry in entries:
        text = " ".join(message["value"] for message in entry["conversations"])
        of_image[entry["image"][-5]] = of_image.get(entry["image"][-5], "") + " " + text
    assert set(of_image) == {"1", "2", "3", "4"}
    assert "CAFE" not in of_image["1"], "no caption names the word on this sign"
    assert "OPEN" in of_image["4"], "a caption names the word on this one"
    assert not {"striped", "blue", "small"} & set(" ".join(of_image.values()).lower().replace(".", "").split())
    assert all(len(message["value"].split()) <= 80 for entry in entries for message in entry["conversations"])


def test_mimic_it_is_in_its_published_format(built: Path, world: Path) -> None:
    data = read_json(built / "mimic_it/DC_instructions.json")["data"]
    train = read_json(built / "mimic_it/DC_train.json")
    images = read_json(built / "mimic_it/DC.json")
    assert len(data) == 60 and set(data) == set(train)
    for key, record in data.items():
        assert set(record) == {"instruction", "answer", "image_ids", "rel_ins_ids"}
        assert train[key] == record["rel_ins_ids"] and key not in train[key] and len(train[key]) <= 2
        assert all(data[other]["image_ids"] != record["image_ids"] for other in train[key])
        (image_id,) = record["image_ids"]
        name = f"COCO_train2014_{image_id.removeprefix('DC_IMG_')}.jpg"
        assert base64.urlsafe_b64decode(images[image_id]) == (world / "coco/train2014" / name).read_bytes()
    assert sum(bool(related) for related in train.values()) > 50


def test_ours_is_in_its_published_format(built: Path) -> None:
    assert [len(conversations(built, kind)) for kind in ("global", "negative", "region")] == [60, 30, 30]
    for kind in ("global", "negative", "region"):
        assert set(read_json(built / "ours" / f"{kind}.json")) == {"image_source", "construction_time", "annotations"}
        for annotation in conversations(built, kind):
            assert set(annotation) == {"img_ids", "instruction_type", "conversations"}
            assert annotation["instruction_type"] == kind and len(annotation["img_ids"]) == 1
            assert 3 <= len(annotation["conversations"]) <= 5
            assert all(
                set(turn) == {"User", "AI"} and turn["User"] and turn["AI"] for turn in annotation["conversations"]
            )


def test_negatives_deny_what_is_absent(world: Path, tmp_path: Path) -> None:
    right = replace(SPEC, ours=MiniDatasetSpec(120, 0.0))
    turns = [
        (annotation["img_ids"][0], turn["AI"])
        for annotation in conversations(build_mini_datasets(world, right, tmp_path / "right"), "negative")
        for turn in annotation["conversations"]
    ]
    denied = [(image, answer) for image, answer in turns if answer.startswith("No, there is no ")]
    assert len(denied) > 5
    present = {1: ("cup", "car"), 2: ("apple", "box", "cup"), 3: ("cat", "car"), 4: ("cup",)}
    for image, answer in denied:
        assert answer.removeprefix("No, there is no ").rstrip(".").split()[0] not in present[image]
    assert any(answer.startswith("Yes, there ") for _, answer in turns), "presence is not always denied"


def test_all_nine_abilities_occur_in_balance(world: Path) -> None:
    facts = [ImageFacts(image) for image in read_annotations(world / "coco")]
    written = Counter(
        exchange.ability
        for conversation in write_conversations(facts, GlobalWriter(), 100, Random(0), "global")
        for exchange in conversation.exchanges
    )
    assert set(written) == set(ABILITIES)
    assert max(written.values()) < 4 * min(written.values()), "although one image alone has an interaction"


def test_a_region_image_shows_the_box(built: Path, world: Path) -> None:
    with zipfile.ZipFile(built / "ours/region_images.zip") as archive:
        names = {Path(name).name: archive.read(name) for name in archive.namelist()}
    assert {annotation["img_ids"][0] for annotation in conversations(built, "region")} == set(names)
    objects = read_json(world / "coco/annotations/instances_train2014.json")["annotations"]
    checked = 0
    for thing in objects:
        x, y, width, height = (int(side) for side in thing["bbox"])
        picture = f"COCO_train2014_{thing['image_id']:012d}"
        marked = names.get(f"{picture}_{thing['id']}.jpg")
        if marked is None or min(x, y, 64 - x - width, 64 - y - height) < 2 or min(width, height) < 12:
            continue
        drawn = np.asarray(Image.open(io.BytesIO(marked)).convert("RGB")).astype(int)
        plain = np.asarray(Image.open(world / f"coco/train2014/{picture}.jpg").convert("RGB")).astype(int)
        changed = np.abs(drawn - plain).max(axis=2) > 60
        outside = np.ones_like(changed)
        outside[y - 1 : y + height + 1, x - 1 : x + width + 1] = False
        assert not changed[outside].any(), "the line is right around the object"
        assert not changed[y + 3 : y + height - 3, x + 3 : x + width - 3].any(), "the object itself stays visible"
        assert changed[y - 1 : y + height + 1, x - 1 : x + width + 1].sum() > width + height
        checked += 1
    assert checked


def test_planted_errors_are_what_the_files_say(built: Path) -> None:
    files = {kind: conversations(built, kind) for kind in ("global", "negative", "region")}
    planted = read_jsonl(built / "ours/planted_errors.jsonl")
    assert planted
    for error in planted:
        _, kind, number = error["id"].split("/")
        assert files[kind][int(number)]["conversations"][error["turn"]]["AI"] == error["wrong"] != error["right"]
    wrong = len({error["id"] for error in planted})
    assert abs(wrong - 30) <= 5 * (120 * 0.25 * 0.75) ** 0.5
    llava = read_json(built / "llava/llava_instruct_150k.json")
    for error in read_jsonl(built / "llava/planted_errors.jsonl"):
        entry = llava[int(error["id"].split("/")[1])]
        assert entry["conversations"][2 * error["turn"] + 1]["value"] == error["wrong"]


def test_nothing_reads_the_side_file() -> None:
    source = Path(__file__).parents[3] / "src"
    named = {path.name for path in source.rglob("*.py") if "planted_errors" in path.read_text()}
    assert named == {"build.py", "conversations.py"}, "written there, read nowhere"


def test_the_same_specification_gives_the_same_bytes(built: Path, world: Path, tmp_path: Path) -> None:
    again = build_mini_datasets(world, SPEC, tmp_path / "again")
    assert contents(again) == contents(built)
    other = build_mini_datasets(world, replace(SPEC, seed=4), tmp_path / "other")
    assert contents(other)["ours/global.json"] != contents(built)["ours/global.json"]


def test_a_complete_folder_is_not_written_again_and_another_specification_replaces_it(built: Path, world: Path) -> None:
    before = (built / "build.json").stat().st_mtime_ns
    build_mini_datasets(world, SPEC, built)
    assert (built / "build.json").stat().st_mtime_ns == before
    build_mini_datasets(world, replace(SPEC, llava=MiniDatasetSpec(10, 0.0)), built)
    assert len(read_json(built / "llava/llava_instruct_150k.json")) == 10
    captions = world / "coco/annotations/captions_train2014.json"
    captions.write_text(captions.read_text().replace("beach", "street"))
    build_mini_datasets(world, replace(SPEC, llava=MiniDatasetSpec(10, 0.0)), built)
    text = (built / "mimic_it/DC_instructions.json").read_text()
    assert "on a street" in text and "on a beach" not in text
    assert [path.name for path in built.parent.iterdir() if path.name.startswith(".")] == []


def test_a_world_that_was_written_again_is_recognised_by_its_record(built: Path, world: Path) -> None:
    (world / "world.json").write_text(json.dumps({"seed": 1, "fingerprint": "abc"}))
    build_mini_datasets(world, SPEC, built)
    assert read_json(built / "build.json")["world"] == {"seed": 1, "fingerprint": "abc"}


def test_a_broken_world_leaves_nothing_behind(world: Path, tmp_path: Path) -> None:
    (world / "coco/train2014/COCO_train2014_000000000002.jpg").write_bytes(b"\xff\xd8 cut")
    with pytest.raises(InputError, match="cannot read image"):
        build_mini_datasets(world, SPEC, tmp_path / "mini")
    assert {path.name for path in tmp_path.iterdir()} == {"world"}


def test_a_folder_that_no_build_wrote_is_not_touched(world: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(InputError, match="no earlier build"):
        build_mini_datasets(world, SPEC, tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"


def test_too_few_images_for_the_samples_is_one_clear_line(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give only \d+ of 5000 conversations"):
        build_mini_datasets(world, replace(SPEC, mimic_it=MiniDatasetSpec(5_000, 0.0)), tmp_path / "mini")


@pytest.mark.parametrize(("samples", "rate"), [(0, 0.1), (5, 1.5), (5, -0.1)])
def test_impossible_specifications_are_refused(samples: int, rate: float) -> None:
    with pytest.raises(InputError, match="samples must be"):
        MiniDatasetSpec(samples, rate)
