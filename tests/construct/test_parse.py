from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.construct.malformed import GOOD, MALFORMED, TWO, WELL_FORMED
from vlit.construct.parse import Parsed, Unparsable, parse_reply


def turns(parsed: Parsed | Unparsable) -> list[tuple[str, str]] | str:
    return (
        parsed.reason
        if isinstance(parsed, Unparsable)
        else [(turn.instruction, turn.response) for turn in parsed.turns]
    )


@pytest.mark.parametrize(
    ("reply", "expected"), [case[1:] for case in WELL_FORMED], ids=[case[0] for case in WELL_FORMED]
)
def test_a_well_formed_reply_is_read_as_it_is(reply: str, expected: list[tuple[str, str]]) -> None:
    parsed = parse_reply(reply)
    assert turns(parsed) == expected
    assert isinstance(parsed, Parsed) and not parsed.repairs


@pytest.mark.parametrize(("reply", "expected"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_a_malformed_reply_is_repaired_or_refused(reply: str, expected: list[tuple[str, str]] | str) -> None:
    parsed = parse_reply(reply)
    assert turns(parsed) == expected
    assert isinstance(parsed, Unparsable) or json_would_do(reply) or parsed.repairs


def json_would_do(reply: str) -> bool:
    try:
        json.loads(reply)
    except ValueError:
        return False
    return True


def test_there_are_sixty_malformed_replies() -> None:
    assert len({reply for _, reply, _ in MALFORMED}) >= 60


def test_a_dictionary_would_lose_turns() -> None:
    assert len(json.loads(GOOD)) == 2 and turns(parse_reply(GOOD)) == TWO


words = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Zs")), min_size=1).map(str)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_any_conversation_in_the_format_is_read_back(conversation: list[tuple[str, str]]) -> None:
    members = [f'"User": {json.dumps(user)}, "AI": {json.dumps(ai)}' for user, ai in conversation]
    assert turns(parse_reply("{" + ", ".join(members) + "}")) == conversation


@settings(max_examples=300, deadline=None)
@given(st.text())
@example("[" * 100_000)
@example('{"User": ' * 50_000)
@example('"\\ud800": {"User": "\\ud800", "AI": "x"}')
@example('{"User": 1' + "0" * 5000 + ', "AI": "x"}')
@example('"User" ' * 3000)
@example('"User": "' + " \n" * 30_000)
@example('"User": "a' + "}" * 30_000 + "x")
@example("User: a" + "{" * 30_000 + "x\nAI: b" + "`" * 30_000)
def test_no_text_raises(text: str) -> None:
    parsed = parse_reply(text)
    if isinstance(parsed, Parsed):
        assert all(turn.instruction and turn.response for turn in parsed.turns)
        json.dumps([(turn.instruction, turn.response) for turn in parsed.turns], ensure_ascii=False).encode()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_no_damage_to_a_reply_makes_it_raise_or_invent_words(seed: int, damages: int) -> None:
    rng = Random(seed)
    reply = list(GOOD)
    for _ in range(damages):
        at = rng.randrange(len(reply))
        reply[at : at + rng.randrange(3)] = rng.choice(["", '"', "'", "{", "}", ",", ":", "\n", "\\", "AI", "```", " "])
        reply = reply or [" "]
    parsed = parse_reply("".join(reply))
    if isinstance(parsed, Parsed):
        assert sum(len(turn.instruction) + len(turn.response) for turn in parsed.turns) <= len(reply) * 4


@pytest.mark.parametrize("length", range(0, len(GOOD)))
def test_every_cut_gives_a_beginning_of_the_conversation(length: int) -> None:
    parsed = parse_reply(GOOD[:length])
    if isinstance(parsed, Parsed):
        assert turns(parsed) == TWO[: len(parsed.turns)]
    else:
        assert length <= GOOD.index('", "User": "Where'), "the first turn was not complete"
