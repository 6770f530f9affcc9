"""Finds conversations that say nearly the same about one image."""

from __future__ import annotations

from collections.abc import Sequence

from vlit.construct.parse.reply import Turn

SHINGLE = 3  # words


def first_alike(conversations: Sequence[Sequence[Turn]], threshold: float) -> list[int | None]:
    """For each conversation, the number of the first kept one that it is nearly the same as; None if it is kept.

    Two are nearly the same if the share of their three-word sequences they have in common (Jaccard) reaches
    `threshold`.
    """
    kept: list[tuple[int, frozenset[tuple[str, ...]]]] = []
    alike: list[int | None] = []
    for number, turns in enumerate(conversations):
        shingles = _shingles(turns)
        found = next((other for other, those in kept if _jaccard(shingles, those) >= threshold), None)
        if found is None:
            kept.append((number, shingles))
        alike.append(found)
    return alike


def _shingles(turns: Sequence[Turn]) -> frozenset[tuple[str, ...]]:
    """Word sequences within a question or an answer; a shorter one counts as a whole. The order of turns is free."""
    texts = [text.lower().split() for turn in turns for text in (turn.user, turn.ai)]
    return frozenset(
        tuple(words[at : at + SHINGLE]) for words in texts for at in range(max(1, len(words) - SHINGLE + 1))
    )


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
