"""The GRIM test: can a printed percentage be k right answers out of n questions at all?

Everything is done in integers, so no verdict hangs on binary rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

ROUNDINGS = ("nearest", "down")


@dataclass(frozen=True)
class Printed:
    """A printed percentage as an integer number of units in its last place."""

    units: int
    scale: int  # units in one percent: 10 for one decimal

    @classmethod
    def of(cls, text: str) -> Printed:
        """Read a percentage, keeping the number of decimals it was printed with."""
        exponent = Decimal(text).as_tuple().exponent
        if not isinstance(exponent, int):
            raise ValueError(f"{text!r} is not a finite number")
        scale = 10 ** max(0, -exponent)
        return cls(int(Decimal(text) * scale), scale)


def attainable(value: Printed, n: int, rounding: str = "nearest") -> bool:
    """Whether some whole number of right answers out of `n` prints as `value`.

    Args:
        value: the printed percentage.
        n: number of questions (of all runs together, where the percentage is a mean over equal runs).
        rounding: `nearest` (a tie may go either way) or `down` (cut off).

    Raises:
        ValueError: `n` is not positive, or the rounding has another name.
    """
    if n < 1:
        raise ValueError(f"{n} questions: a percentage needs at least one")
    whole = 100 * value.scale  # units in 100 percent; k right answers are whole * k / n units
    if rounding == "nearest":  # 2 * value - 1 <= 2 * whole * k / n <= 2 * value + 1
        low, high = -(-(2 * value.units - 1) * n // (2 * whole)), (2 * value.units + 1) * n // (2 * whole)
    elif rounding == "down":  # value <= whole * k / n < value + 1
        low, high = -(-value.units * n // whole), ((value.units + 1) * n - 1) // whole
    else:
        raise ValueError(f"rounding {rounding!r}: one of {', '.join(ROUNDINGS)}")
    return max(low, 0) <= min(high, n)


def impossible(values: list[Printed], n: int, rounding: str = "nearest") -> list[Printed]:
    """The values that `n` questions can't give."""
    return [value for value in values if not attainable(value, n, rounding)]


def compatible_counts(values: list[Printed], most: int, rounding: str = "nearest") -> list[int]:
    """Every number of questions up to `most` that can give all the values."""
    return [n for n in range(1, most + 1) if all(attainable(value, n, rounding) for value in values)]


def always_from(value_scale: int) -> int:
    """From this many questions on, every percentage can be had: the step 100 / n is no wider than a unit."""
    return 100 * value_scale
