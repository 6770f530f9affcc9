"""The rules of the filter, and what each of them rejects of a dataset whose pieces have values.

A piece is a sample, or a turn of one: an instruction with its response. Pure functions of values by piece: nothing here
reads a file. Every rejected piece has one reason, the first.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np
from scipy.stats import rankdata


class Piece(NamedTuple):
    """A sample (`turn` is None), or the turn of it at a position from 0."""

    sample_id: str
    turn: int | None = None


class Rejection(TypedDict, total=False):
    """A piece that is not kept: its sample and turn, the reason, and value and threshold where there are any."""

    sample_id: str
    turn: int
    reason: str
    value: float
    threshold: float


def rejection(piece: Piece, reason: str, **more: float) -> Rejection:
    """Return the record of a rejected piece."""
    found = Rejection(sample_id=piece.sample_id, reason=reason, **more)  # type: ignore[typeddict-item]
    if piece.turn is not None:
        found["turn"] = piece.turn
    return found


def piece_of(rejected: Rejection) -> Piece:
    """Return the piece of a record."""
    return Piece(rejected["sample_id"], rejected.get("turn"))


@dataclass(frozen=True)
class Values:
    """The statistic of an indicator over a dataset; larger values are better.

    Attributes:
        key: of the indicator.
        values: by piece.
        faults: why a piece has none.
    """

    key: str
    values: Mapping[Piece, float]
    faults: Mapping[Piece, str]


def without_value(column: Values) -> list[Rejection]:
    """Reject the pieces that a statistic has no value for."""
    return [rejection(piece, f"no {column.key}: {fault}") for piece, fault in column.faults.items()]


def below(column: Values, least: float) -> list[Rejection]:
    """Reject the pieces whose value is below `least`."""
    return [_below(piece, column.key, value, least) for piece, value in column.values.items() if value < least]


def worst(columns: Sequence[Values], keep: float) -> list[Rejection]:
    """Reject all but the share `keep` of the pieces that have every value: those of the least mean rank, ties by id.

    One statistic ranks by its values; of several, each value becomes its rank among the pieces (from 0 to 1, ties in
    the middle), so that none outweighs another by its scale.
    """
    pieces = sorted(set.intersection(*(set(column.values) for column in columns)))
    if not pieces:
        return []
    values = [np.array([column.values[piece] for piece in pieces]) for column in columns]
    if len(values) > 1:
        values = [rankdata(some) / len(pieces) for some in values]
    combined = dict(zip(pieces, np.mean(values, axis=0).tolist(), strict=True))
    ranked = sorted(pieces, key=lambda piece: (combined[piece], piece), reverse=True)
    number = max(1, round(keep * len(ranked)))
    threshold = combined[ranked[number - 1]]
    key = " and ".join(column.key for column in columns)
    return [_below(piece, key, combined[piece], threshold) for piece in ranked[number:]]


def repeated(alike: Mapping[Piece, Sequence[object]], most: int, what: Sequence[str], seed: int) -> list[Rejection]:
    """Reject the pieces of which `most` like them are kept already, in a random order.

    Args:
        alike: of each piece what it is like others by, such as its task and the words of its instruction.
        most: pieces kept of those alike.
        what: name of each, for the reason.
        seed: of the order.
    """
    order = sorted(alike)
    random.Random(f"repeated/{seed}").shuffle(order)
    kept: Counter[tuple[int, object]] = Counter()
    out = []
    for piece in order:
        groups = list(enumerate(alike[piece]))
        full = next((place for place, key in groups if kept[place, key] >= most), None)
        if full is None:
            kept.update(groups)
        else:
            out.append(rejection(piece, f"repeated: {most} of its task have {what[full]} like it"))
    return out


def at_random(pieces: Sequence[Piece], keep: float, seed: int) -> list[Rejection]:
    """Reject all but the share `keep` of the pieces, whatever they are: the control of any other rule."""
    drawn = random.Random(f"at_random/{seed}").sample(sorted(pieces), len(pieces) - round(keep * len(pieces)))
    return [rejection(piece, "at random") for piece in drawn]


def first_reasons(rejections: Iterable[Rejection]) -> list[Rejection]:
    """Keep the first rejection of each piece."""
    found: dict[Piece, Rejection] = {}
    for one in rejections:
        found.setdefault(piece_of(one), one)
    return list(found.values())


def _below(piece: Piece, key: str, value: float, threshold: float) -> Rejection:
    return rejection(piece, f"{key} below the threshold", value=value, threshold=threshold)


def overrides(rules: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    """Return the overrides of a command that turn the filter `base` into `rules`, as `quality.keep=0.5`.

    Both are flat: name below `quality.` -> value, None for what is off.
    """
    names = [name for name in dict.fromkeys([*rules, *base]) if rules.get(name) != base.get(name)]
    if all(rules.get(name) is None for name in DRAWN):
        names = [name for name in names if name != "seed"]  # it has no part in such rules
    return [f"quality.{name}={_written(rules.get(name))}" for name in names]


DRAWN = ("balanced", "most_alike", "at_random")  # rules that draw, with the seed


def _written(value: Any) -> str:
    if value is None:
        return "null"
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
