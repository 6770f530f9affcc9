"""Reads a conversation out of a language model's reply, in the format the paper asks for (section A.2.2).

`{"User": "...", "AI": "...", "User": "...", "AI": "..."}` repeats its keys, so a JSON parser that makes a dictionary
keeps the last turn only. Well-formed replies are read by `keyed`, everything else by `salvage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlit.construct.parse.keyed import Said, read_keyed
from vlit.construct.parse.salvage import salvage


@dataclass(frozen=True)
class Turn:
    """A question of the user and the assistant's answer."""

    user: str
    ai: str


@dataclass(frozen=True)
class Parsed:
    """The turns of a reply. `repairs` says what had to be mended; it is empty for a well-formed reply."""

    turns: tuple[Turn, ...]
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unparsable:
    """No conversation could be read, and why."""

    reason: str


def parse_reply(text: str) -> Parsed | Unparsable:
    """Read the turns of a reply, repairing what can be repaired without guessing. Never raises.

    A question that is left without an answer at the end, or an answer that breaks off within a sentence, is dropped.
    Anything else that does not alternate is refused, as nobody knows which answer belongs to which question.
    """
    said = read_keyed(text)
    repairs: list[str] = []
    if said is None:
        said, repairs = salvage(text)
    if not said:
        return Unparsable("empty reply" if not text.strip() else "no conversation in the reply")
    return _turns([(role, _clean(value)) for role, value in said], repairs)


def _turns(said: Sequence[Said], repairs: list[str]) -> Parsed | Unparsable:
    if said[0][0] == "AI":
        return Unparsable("starts with the AI")
    if said[-1][0] == "User":
        said = said[:-1]
        repairs = [*repairs, "question without an answer dropped"]
    if not said:
        return Unparsable("no answer")
    roles = [role for role, _ in said]
    if roles != ["User", "AI"] * (len(roles) // 2):
        return Unparsable("turns do not alternate")
    if not all(value for _, value in said):
        return Unparsable("empty turn")
    turns = [Turn(said[number][1], said[number + 1][1]) for number in range(0, len(said), 2)]
    return Parsed(tuple(turns), tuple(repairs))


def _clean(value: str) -> str:
    """Without control characters and lone surrogates, which no UTF-8 file can hold, or space around."""
    encodable = value.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")
    return "".join(char for char in encodable if char in "\n\t" or char.isprintable()).strip()
