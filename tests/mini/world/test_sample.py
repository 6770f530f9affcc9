"""Random scenes are reproducible, in bounds, and varied in the proportions that the benchmark needs."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from vlit.mini.world.sample import pretraining_scenes, sample_scene, stream, training_scenes
from vlit.mini.world.scene import CANVAS, CanvasBox, Scene
from vlit.mini.world.vocabulary import CONTAINER, INTERACTIONS, SETTINGS, SIZES, WORDS


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(training_scenes(400, seed=3))


def pixels(box: CanvasBox) -> set[tuple[int, int]]:
    x, y, width, height = box
    return {(column, row) for column in range(x, x + width) for row in range(y, y + height)}


def test_same_seed_and_id_give_the_same_scene(scenes: list[Scene]) -> None:
    assert sample_scene(stream(3, 7), 7) == scenes[6]
    assert sample_scene(stream(4, 7), 7) != scenes[6]


def test_a_shorter_run_is_the_beginning_of_a_longer_one(scenes: list[Scene]) -> None:
    assert list(training_scenes(10, seed=3)) == scenes[:10]


def test_training_and_pretraining_scenes_are_disjoint(scenes: list[Scene]) -> None:
    others = list(pretraining_scenes(5, seed=3))
    assert [scene.id for scene in scenes[:3]] == [1, 2, 3]
    assert [scene.id for scene in others[:2]] == [900_001, 900_002]
    assert not {scene.things for scene in others} & {scene.things for scene in scenes}


def test_boxes_are_on_the_canvas_and_their_longer_side_is_the_size(scenes: list[Scene]) -> None:
    for scene in scenes:
        for thing in scene.things:
            x, y, width, height = thing.box
            assert x >= 0 <= y
            assert max(x + width, y + height) <= CANVAS
            assert max(width, height) == SIZES[thing.size]


def test_only_what_is_inside_overlaps(scenes: list[Scene]) -> None:
    for scene in scenes:
        boxes: dict[object, CanvasBox] = {index: thing.box for index, thing in enumerate(scene.things)}
        if scene.sign is not None:
            boxes["sign"] = scene.sign.box
        for first, second in combinations(boxes, 2):
            pair = scene.interaction
            inside = pair is not None and pair.name == "inside" and {first, second} == {pair.subject, pair.object}
            assert bool(pixels(boxes[first]) & pixels(boxes[second])) == inside


def test_interactions_are_what_their_name_says(scenes: list[Scene]) -> None:
    found = Counter()
    for scene in scenes:
        if scene.interaction is None:
            assert not scene.count(CONTAINER)
            continue
        found[scene.interaction.name] += 1
        subject, other = scene.things[scene.interaction.subject], scene.things[scene.interaction.object]
        x, y, width, height = subject.box
        u, v, across, down = other.box
        match scene.interaction.name:
            case "inside":
                assert pixels(subject.box) < pixels(other.box)
                assert (other.kind, other.size) == (CONTAINER, "large")
                assert scene.interaction.subject > scene.interaction.object, "drawn in front of the box"
            case "touching":
                assert x + width == u or u + across == x
            case "holding":
                assert y == v + down
                assert abs((x + width / 2) - (u + across / 2)) <= 1
            case "apart":
                assert max(u - x - width, x - u - across, v - y - height, y - v - down) >= 8
    assert set(found) == set(INTERACTIONS)
    assert min(found.values()) >= 15


def test_proportions(scenes: list[Scene]) -> None:
    assert 0.28 < sum(scene.interaction is not None for scene in scenes) / len(scenes) < 0.42
    assert 0.42 < sum(scene.sign is not None for scene in scenes) / len(scenes) < 0.58
    assert {len(scene.things) for scene in scenes} == {1, 2, 3, 4, 5, 6}
    assert {scene.setting for scene in scenes} == set(SETTINGS)
    assert {scene.sign.word for scene in scenes if scene.sign} == set(WORDS)
    counts = Counter(max(Counter(thing.kind for thing in scene.things).values()) for scene in scenes)
    assert all(counts[number] >= 10 for number in (1, 2, 3, 4, 5))
