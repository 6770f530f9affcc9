"""Captions are read back word by word, without the code that wrote them, and held against the scene."""

from __future__ import annotations

import re

import pytest

from vlit.mini.world.sample import stream, training_scenes
from vlit.mini.world.scene import Scene, Thing
from vlit.mini.world.texts import captions

COUNTS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
KIND = "car|boat|bird|cat|umbrella|kite|bottle|cup|apple|chair|book|clock|box"
PHRASE = (
    r"\b(a|an|two|three|four|five|six) ((?:small |large )?(?:(?:plain|striped|dotted|checkered) )?"
    rf"(?:(?:red|green|blue|yellow|purple|orange|black|white) )?)({KIND})(?:e?s)?\b"
)
SETTING_WORD = {"night": "night sky"}


@pytest.fixture(scope="module")
def captioned() -> list[tuple[Scene, list[str]]]:
    return [(scene, captions(scene, stream(0, scene.id, "captions"))) for scene in training_scenes(300, seed=5)]


def matching(scene: Scene, words: str, kind: str) -> list[Thing]:
    wanted = set(words.split())
    return [
        thing for thing in scene.things if thing.kind == kind and wanted <= {thing.size, thing.texture, thing.colour}
    ]


def test_five_different_captions_in_one_style(captioned: list[tuple[Scene, list[str]]]) -> None:
    for scene, texts in captioned:
        assert len(texts) == len(set(texts)) == 5
        for text in texts:
            assert re.fullmatch(r"[A-Z][A-Za-z, ]*\.", text), text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text.lower()), text
        assert texts == captions(scene, stream(0, scene.id, "captions"))


def test_things_and_counts_are_true(captioned: list[tuple[Scene, list[str]]]) -> None:
    read = 0
    for scene, texts in captioned:
        for text in texts:
            for number, words, kind in re.findall(PHRASE, text.lower()):
                found = len(matching(scene, words, kind))
                assert found == COUNTS[number] if COUNTS[number] > 1 else found >= 1, (text, scene)
                read += 1
    assert read > 1500


def test_settings_signs_and_places_are_true(captioned: list[tuple[Scene, list[str]]]) -> None:
    corners = {
        "left": lambda x: x < 28,
        "right": lambda x: x > 36,
        "upper": lambda y: y < 28,
        "lower": lambda y: y > 36,
    }
    signs = places = 0
    for scene, texts in captioned:
        for text in texts:
            for setting in ("beach", "forest", "street", "kitchen", "desert", "snow", "ocean", "night"):
                assert (setting in text.lower()) <= (scene.setting == setting), (text, scene)
            words = re.findall(r"\b[A-Z]{3,}\b", text)
            assert words in ([], [scene.sign.word if scene.sign else None])
            signs += len(words)
            for vertical, side in re.findall(r"in the (upper|lower) (left|right)", text):
                (_, attributes, kind), *_ = re.findall(PHRASE, text.lower())
                centres = [thing.centre for thing in matching(scene, attributes, kind)]
                assert any(corners[side](x) and corners[vertical](y) for x, y in centres), (text, scene)
                places += 1
    assert signs > 100 < places


def test_relations_and_interactions_are_true(captioned: list[tuple[Scene, list[str]]]) -> None:
    signed = {"to the left of": (1, 0), "to the right of": (-1, 0), "above": (0, 1), "below": (0, -1)}
    verbs = {"inside": "inside", "holding up": "holding", "not touching": "apart", "touching": "touching"}
    relations = interactions = 0
    for scene, texts in captioned:
        for text in texts:
            if found := re.fullmatch(rf"(.+?) (?:is )?({'|'.join(signed)}) (.+)\.", text):
                first, second = (matching(scene, *re.findall(PHRASE, found[part].lower())[0][1:]) for part in (1, 3))
                dx, dy = signed[found[2]]
                assert any(
                    (other.centre[0] - one.centre[0]) * dx + (other.centre[1] - one.centre[1]) * dy >= 8
                    for one in first
                    for other in second
                ), (text, scene)
                relations += 1
            if found := re.fullmatch(rf"(.+?) is ({'|'.join(verbs)}) (.+)\.", text):
                pair = scene.interaction
                assert pair is not None
                assert verbs[found[2]] == pair.name
                for part, index in ((1, pair.subject), (3, pair.object)):
                    (_, words, kind), *_ = re.findall(PHRASE, found[part].lower())
                    assert scene.things[index] in matching(scene, words, kind)
                interactions += 1
    assert relations > 100
    assert interactions > 50


def test_one_caption_names_most_of_the_scene(captioned: list[tuple[Scene, list[str]]]) -> None:
    for scene, texts in captioned:
        named = [sum(COUNTS[number] for number, _, _ in re.findall(PHRASE, text.lower())) for text in texts]
        assert max(named) == len(scene.things) or len(scene.things) == 1, (texts, scene)
