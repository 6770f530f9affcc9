"""A world on disk agrees with its truth file in the published formats, and a folder is whole or absent."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlit.common.errors import InputError
from vlit.mini.world.build import WorldSpec, build_world, world_fingerprint
from vlit.mini.world.draw import render
from vlit.mini.world.scene import read_truth
from vlit.mini.world.vocabulary import NUMBERS, THING_KINDS

SPEC = WorldSpec(scenes=40, benchmark_groups=1, seed=0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_world(SPEC, tmp_path_factory.mktemp("worlds") / "mini")


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_instances_agree_with_the_truth(world: Path) -> None:
    truth = read_truth(world)
    content = load(world / "coco/annotations/instances_train2014.json")
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert names == {id: kind for kind, (id, _) in THING_KINDS.items()}
    images = {image["id"]: image for image in content["images"]}
    assert set(images) == set(range(1, 41))
    kinds: defaultdict[int, list[str]] = defaultdict(list)
    ids = [annotation["id"] for annotation in content["annotations"]]
    assert len(set(ids)) == len(ids)
    for annotation in content["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert 0 <= x < x + width <= images[annotation["image_id"]]["width"]
        assert 0 <= y < y + height <= images[annotation["image_id"]]["height"]
        assert annotation["area"] == width * height
        polygon = annotation["segmentation"][0]
        assert (min(polygon[::2]), max(polygon[::2])) == (x, x + width)
        assert (min(polygon[1::2]), max(polygon[1::2])) == (y, y + height)
        assert annotation["iscrowd"] == 0
        kinds[annotation["image_id"]].append(names[annotation["category_id"]])
    for id in images:
        assert Counter(kinds[id]) == Counter(thing.kind for thing in truth[id].things)


def test_images_are_the_rendered_scenes(world: Path) -> None:
    truth = read_truth(world)
    for id in (1, 40):
        with Image.open(world / f"coco/train2014/COCO_train2014_{id:012d}.jpg") as image:
            assert (image.size, image.mode) == ((64, 64), "RGB")
            drawn = render(truth[id])
            error = sum(abs(a - b) for a, b in zip(image.tobytes(), drawn.tobytes(), strict=True)) / (64 * 64 * 3)
            assert error < 4
    benchmark = load(world / "seed_bench/SEED-Bench.json")["questions"]
    files = {path.name for path in (world / "seed_bench/SEED-Bench-image").iterdir()}
    assert files == {question["data_id"] for question in benchmark}
    assert len(files) == 36
    assert {int(question["question_id"]) for question in benchmark} <= set(truth)


def test_captions_and_text(world: Path) -> None:
    truth = read_truth(world)
    content = load(world / "coco/annotations/captions_train2014.json")
    assert Counter(Counter(a["image_id"] for a in content["annotations"]).values()) == {5: 40}
    text = load(world / "coco/COCO_Text.json")
    for id in range(1, 41):
        anns = [text["anns"][str(ann)] for ann in text["imgToAnns"][str(id)]]
        sign = truth[id].sign
        assert [ann["utf8_string"] for ann in anns] == ([sign.word] if sign else [])
        for ann in anns:
            assert ann["image_id"] == id
            assert (ann["legibility"], ann["class"], ann["language"]) == ("legible", "machine printed", "english")
        assert text["imgs"][str(id)]["file_name"].endswith(f"{id:012d}.jpg")


def test_attributes(world: Path) -> None:
    truth = read_truth(world)
    content = load(world / "coco/cocottributes.json")
    names = [attribute["name"] for attribute in content["attributes"]]
    assert [attribute["id"] for attribute in content["attributes"]] == list(range(1, len(names) + 1))
    annotations = load(world / "coco/annotations/instances_train2014.json")["annotations"]
    by_id = {annotation["id"]: annotation for annotation in annotations}
    assert {content["patch_id_to_ann_id"][patch] for patch in content["ann_vecs"]} == set(by_id)
    for patch, vector in content["ann_vecs"].items():
        annotation = by_id[content["patch_id_to_ann_id"][patch]]
        box = tuple(int(value) for value in annotation["bbox"])
        (thing,) = [thing for thing in truth[annotation["image_id"]].things if thing.box == box]
        on = {name for name, value in zip(names, vector, strict=True) if value == 1.0}
        assert on == {thing.colour, thing.texture, thing.size}


def test_vqa(world: Path) -> None:
    truth = read_truth(world)
    questions = load(world / "coco/v2_OpenEnded_mscoco_train2014_questions.json")
    annotations = load(world / "coco/v2_mscoco_train2014_annotations.json")
    assert (questions["data_subtype"], questions["task_type"]) == ("train2014", "Open-Ended")
    by_id = {question["question_id"]: question for question in questions["questions"]}
    assert set(by_id) == {annotation["question_id"] for annotation in annotations["annotations"]}
    types = Counter(annotation["answer_type"] for annotation in annotations["annotations"])
    assert set(types) == {"yes/no", "number", "other"}
    for annotation in annotations["annotations"]:
        question = by_id[annotation["question_id"]]
        assert question["image_id"] == annotation["image_id"] == annotation["question_id"] // 1000
        assert [answer["answer_id"] for answer in annotation["answers"]] == list(range(1, 11))
        assert {answer["answer"] for answer in annotation["answers"]} == {annotation["multiple_choice_answer"]}
        if annotation["answer_type"] == "yes/no":
            assert annotation["multiple_choice_answer"] in ("yes", "no")
        if question["question"].startswith("How many") and annotation["question_type"] == "how many":
            assert annotation["multiple_choice_answer"] in NUMBERS
        if question["question"] == "What does the sign say?":
            sign = truth[annotation["image_id"]].sign
            assert sign is not None
            assert annotation["multiple_choice_answer"] == sign.word


def test_same_spec_same_bytes_and_another_seed_other_bytes(world: Path, tmp_path: Path) -> None:
    again = build_world(SPEC, tmp_path / "again")
    assert hashes(again) == hashes(world)
    assert load(again / "world.json")["fingerprint"] == world_fingerprint(world)
    other = build_world(WorldSpec(scenes=2, benchmark_groups=1, seed=1), tmp_path / "other")
    first = "coco/train2014/COCO_train2014_000000000001.jpg"
    assert hashes(other)[first] != hashes(world)[first]


def test_a_finished_world_is_not_written_again(world: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*")}
    assert build_world(SPEC, world) == world
    assert {path: path.stat().st_mtime_ns for path in world.rglob("*")} == before


def test_another_spec_or_a_foreign_folder_is_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another world"):
        build_world(WorldSpec(scenes=41, benchmark_groups=1), world)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no world"):
        build_world(SPEC, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("bad", [{"scenes": 0}, {"scenes": 500_001}, {"benchmark_groups": 0}])
def test_impossible_specs_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InputError, match="choose 1 to"):
        WorldSpec(**bad)


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def interrupted(scene: Any) -> Image.Image:
        drawn.append(scene.id)
        if len(drawn) == 5:
            raise KeyboardInterrupt
        return render(scene)

    monkeypatch.setattr("vlit.mini.world.build.render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build_world(SPEC, tmp_path / "worlds" / "mini")
    assert list((tmp_path / "worlds").iterdir()) == []


def test_truth_of_no_world_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="build the world"):
        read_truth(tmp_path)
