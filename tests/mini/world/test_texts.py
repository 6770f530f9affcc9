"""Captions, parsed word by word without the code that wrote them, and documents agree with the scene."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from vlit.mini.world.facts import scene_facts
from vlit.mini.world.questions import worded
from vlit.mini.world.sample import pretraining_scenes, stream, training_scenes
from vlit.mini.world.scene import Scene, Thing
from vlit.mini.world.statements import stated as statement_of
from vlit.mini.world.texts import (
    DOCUMENT_FACTS,
    PER_DIMENSION,
    SHORT_FACTS,
    SHORT_THINGS,
    document,
    scene_captions,
    short_document,
)
from vlit.mini.world.vocabulary import COLOURS
from vlit.mini.world.wordings import READ

COUNTS = {"a": 1, "an": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
KIND = "car|boat|bird|cat|umbrella|kite|bottle|cup|apple|chair|book|clock|box"
PHRASE = (
    r"\b(a|an|two|three|four|five|six) ((?:small |large )?(?:(?:plain|striped|dotted|checkered) )?"
    rf"(?:(?:red|green|blue|yellow|purple|orange|black|white) )?)({KIND})(?:e?s)?\b"
)
SETTING_WORD = {"night": "night sky"}


@pytest.fixture(scope="module")
def captioned() -> list[tuple[Scene, list[str]]]:
    return [(scene, scene_captions(scene, stream(0, scene.id, "captions"))) for scene in training_scenes(300, seed=5)]


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
        assert texts == scene_captions(scene, stream(0, scene.id, "captions"))


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


def told(text: str) -> tuple[str, list[tuple[str, str]], list[tuple[str, str]]]:
    """Return a document's paragraph, its questions with answers, and its statements."""
    paragraph, rest = text.split("\n", maxsplit=1)
    asked = re.findall(r"Question: (.*)\nAnswer: (.*)\n", rest)
    stated = re.findall(r"(.*)\t(.*)\n", rest)
    assert rest.count("\n") == 2 * len(asked) + len(stated)
    return paragraph, asked, stated


def test_documents_answer_their_questions_and_say_what_the_scene_has() -> None:
    kinds = Counter[bool]()
    for scene in pretraining_scenes(80, seed=0):
        text = document(scene, stream(0, scene.id, "document"))
        assert text == document(scene, stream(0, scene.id, "document"))
        paragraph, asked, stated = told(text)
        kinds[bool(asked)] += 1
        sentences = re.findall(r"[A-Z][^.]*\.", paragraph)
        assert " ".join(sentences) == paragraph
        assert len(scene.things) + 1 <= len(sentences) <= 9 + PER_DIMENSION
        assert bool(asked) != bool(stated)
        assert 3 <= len(asked) + len(stated) <= DOCUMENT_FACTS[1]
        facts = {worded(f, w).question: worded(f, w) for f in scene_facts(scene) for w in READ[f.type]}
        for question, answer in asked:
            qa = facts[question]
            assert answer in (qa.answer, qa.sentence)
            if qa.dimension in ("SR", "IIR"):
                assert qa.sentence in paragraph or qa.type == "interaction"
            if qa.dimension == "TR":
                assert qa.answer in paragraph
        true = {(said.opening, f"{said.value}.") for said in map(statement_of, scene_facts(scene))}
        assert set(stated) <= true
        for thing in scene.things:
            assert f"{thing.size} {thing.texture} {thing.colour} {thing.kind}" in paragraph.lower()
        if scene.interaction is not None:
            assert re.search(r"is (inside|touching|not touching|holding up)", paragraph)
    assert min(kinds[True], kinds[False]) > 20


def test_a_statement_says_one_thing_only() -> None:
    for scene in pretraining_scenes(80, seed=3):
        values: dict[str, str] = {}
        for said in map(statement_of, scene_facts(scene)):
            assert values.setdefault(said.opening, said.value) == said.value, said


def test_short_documents_are_about_few_things_and_answer_from_them() -> None:
    things = []
    for scene in pretraining_scenes(120, seed=0):
        text = short_document(scene, stream(0, scene.id, "document"))
        assert text == short_document(scene, stream(0, scene.id, "document"))
        paragraph, asked, stated = told(text)
        whole = [f"{thing.size} {thing.texture} {thing.colour} {thing.kind}" for thing in scene.things]
        named = [words for words in whole if words in paragraph.lower()]
        things.append(sum(paragraph.lower().count(words) for words in set(whole)))
        assert SHORT_FACTS[0] - 1 <= len(asked) + len(stated) <= SHORT_FACTS[1]
        for question, value in asked:
            words = question.removesuffix(" in the image?").removesuffix("?").removesuffix(" have").split()
            if "color" in words and "size" not in words and value.lower() in COLOURS:
                assert any(phrase.endswith(f"{value.lower()} {words[-1]}") for phrase in named), text
            if "sign" in question:
                assert re.search(rf"says {value.removeprefix('The sign says ').removesuffix('.')}\.", paragraph), text
    assert set(range(SHORT_THINGS[0], SHORT_THINGS[1] + 1)) == set(things)
