"""Alignment reads true statements about images, and no question."""

from __future__ import annotations

import random
from collections import Counter

from vlit.data.templates import TEMPLATES
from vlit.mini.pretraining.alignment import INSTRUCTION, _stated
from vlit.mini.pretraining.corpus import Statements, _statements
from vlit.mini.world.facts import scene_facts
from vlit.mini.world.sample import pretraining_scenes
from vlit.mini.world.statements import OPENINGS
from vlit.mini.world.wordings import READ


def test_every_kind_of_fact_has_an_opening_that_is_no_question() -> None:
    assert OPENINGS.keys() == READ.keys()
    asked = {wording.split(" ")[0].lower() for wordings in READ.values() for wording in wordings}
    for opening in OPENINGS.values():
        assert "?" not in opening and opening.split(" ")[0].lower() not in asked - {"in", "of"}
    assert "?" not in INSTRUCTION


def test_statements_say_what_the_scene_has() -> None:
    for scene in pretraining_scenes(40, 5):
        facts = scene_facts(scene)
        answers = Counter(fact.answer.lower() for fact in facts)
        for statement in _statements(scene, random.Random(0)):
            assert answers[statement.value.lower()] and statement.opening[0].isupper()
            assert statement.dimension in {fact.dimension for fact in facts}


def test_each_statement_drawn_is_of_another_dimension_and_rare_ones_are_drawn_by_weight() -> None:
    known = [_statements(scene, random.Random(0)) for scene in pretraining_scenes(60, 5)]
    weights = {"SU": 0.001, "II": 1, "IA": 1, "IL": 1, "IC": 1, "SR": 1, "IIR": 1, "VR": 1, "TR": 1}
    sampler, seen = Statements(known, weights), Counter()
    for index in range(len(known)):
        drawn = sampler.draw(index, random.Random(index))
        assert len({statement.dimension for statement in drawn}) == len(drawn) > 0
        seen.update(statement.dimension for statement in drawn)
    assert seen["SU"] < seen["IA"]


def test_the_value_is_learned_and_its_opening_is_read() -> None:
    (known,) = [_statements(scene, random.Random(0)) for scene in pretraining_scenes(1, 5)]
    for template in TEMPLATES.values():
        pieces = _stated(known[:2], template)
        learned = "".join(piece.text for piece in pieces if piece.supervised)
        read = "".join(piece.text for piece in pieces if not piece.supervised)
        assert learned == "".join(f" {one.value}." for one in known[:2]) + template.end
        assert all(one.opening in read for one in known[:2])
