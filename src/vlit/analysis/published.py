"""The paper's own numbers, transcribed in `paper/`: readers that keep how many decimals each was printed with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import pandas as pd

from vlit.analysis.measurements import Quality, Scores, in_paper_order
from vlit.common.errors import InputError
from vlit.evaluation.seed_bench import OVERALL
from vlit.quality.indicators.registry import BY_KEY

NOT_IN_SOURCE = "lost in the text of the paper"
_ICC = ("ICC_single", "ICC_average")


@dataclass(frozen=True)
class PublishedTables:
    """Tables 3, 4 and 15 of the paper as printed.

    Attributes:
        scores: Table 3.
        quality: Table 4 without its ICC columns.
        icc: those columns, index data, columns `ICC_single`, `ICC_average` (4 decimals).
        correlations: columns indicator, dimension, r, p, stars (3 decimals).
    """

    scores: Scores
    quality: Quality
    icc: pd.DataFrame
    correlations: pd.DataFrame


def read_published(folder: Path) -> PublishedTables:
    """Read `table03.csv`, `table04.csv` and `table15.csv`.

    Raises:
        InputError: a file or column is absent, a row comes twice, or a cell is not a number.
    """
    table4 = folder / "table04.csv"
    return PublishedTables(
        read_scores(folder / "table03.csv"),
        read_quality(table4),
        read_icc(table4),
        read_correlations(folder / "table15.csv"),
    )


def read_scores(path: Path) -> Scores:
    """Read Table 3: columns model, data, Overall and dimensions, in percent."""
    rows = read_rows(path, ("model", "data", OVERALL))
    columns = [name for name in rows[0] if name not in ("model", "data")]
    keys = [(row["model"], row["data"]) for row in rows]
    _refuse_repeats(path, keys)
    index = pd.MultiIndex.from_tuples(keys, names=["model", "data"])
    cells = [[_number(path, row, name) for name in columns] for row in rows]
    mean = pd.DataFrame([[cell.value for cell in line] for line in cells], index, columns)
    half = pd.DataFrame([[cell.half_unit for cell in line] for line in cells], index, columns)
    order = [(m, d) for m in in_paper_order([k[0] for k in keys]) for d in in_paper_order([k[1] for k in keys])]
    order = [key for key in order if key in keys]
    mean, half = mean.loc[order], half.loc[order]
    single = pd.concat({1: mean}, names=["seed"]).reorder_levels(["model", "data", "seed"])
    nothing = pd.DataFrame(np.nan, mean.index, columns)
    seeds = pd.Series(1, mean.index, name="seeds")
    return Scores(mean, nothing, seeds, single, half, sources={key: [str(path)] for key in order})


def read_quality(path: Path) -> Quality:
    """Read Table 4 without its ICC columns; empty cells stay empty, with the reason."""
    rows = read_rows(path, ("data",))
    _refuse_repeats(path, [row["data"] for row in rows])
    columns = [name for name in rows[0] if name != "data" and name not in _ICC]
    data = [row["data"] for row in rows]
    cells = {row["data"]: {name: _number(path, row, name, empty=True) for name in columns} for row in rows}
    values = pd.DataFrame({name: [cells[d][name].value for d in data] for name in columns}, index=data)
    half = pd.DataFrame({name: [_half_unit(name, cells[d][name]) for d in data] for name in columns}, index=data)
    reasons = {(d, name): NOT_IN_SOURCE for d in data for name in columns if np.isnan(cells[d][name].value)}
    return Quality(values, half, reasons, dict.fromkeys(data, str(path)))


def read_icc(path: Path) -> pd.DataFrame:
    """Read the two ICC columns of Table 4 (single and average measures), NaN where a file has none."""
    rows = read_rows(path, ("data",))
    values = {
        name: [_number(path, row, name, empty=True).value if name in row else np.nan for row in rows] for name in _ICC
    }
    return pd.DataFrame(values, index=[row["data"] for row in rows])


def read_correlations(path: Path) -> pd.DataFrame:
    """Read Table 15, one row a cell: indicator, dimension, r, p, stars."""
    rows = read_rows(path, ("indicator", "dimension", "r", "p", "stars"))
    _refuse_repeats(path, [(row["indicator"], row["dimension"]) for row in rows])
    return pd.DataFrame(
        [
            {
                "indicator": row["indicator"],
                "dimension": row["dimension"],
                "r": _number(path, row, "r").value,
                "p": _number(path, row, "p").value,
                "stars": row["stars"].strip(),
            }
            for row in rows
        ]
    )


def read_rows(path: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Read the rows of a CSV file as text, so that printed decimals survive.

    Raises:
        InputError: the file is absent, empty, ragged, or lacks a required column.
    """
    if not path.is_file():
        raise InputError(f"no file {path}: set paper=FOLDER to a folder with the paper's tables as CSV")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if not rows:
        raise InputError(f"{path} has no rows: copy it again from the repository")
    missing = [name for name in required if name not in rows[0]]
    if missing:
        raise InputError(f"{path} lacks the column {missing[0]}: its header must name {', '.join(required)}")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InputError(f"{path}:{number} has too many or too few cells: mend the line")
    return rows


@dataclass(frozen=True)
class _Cell:
    value: float
    half_unit: float


def _number(path: Path, row: dict[str, str], name: str, empty: bool = False) -> _Cell:
    text = row[name].strip()
    if empty and not text:
        return _Cell(np.nan, np.nan)
    try:
        decimal = Decimal(text)
        exponent = decimal.as_tuple().exponent
        if not isinstance(exponent, int):
            raise InvalidOperation
    except InvalidOperation:
        where = ", ".join(f"{key}={row[key]}" for key in ("model", "data", "indicator", "dimension") if key in row)
        raise InputError(f"{path}: {name!r} of {where} is {text!r}, not a number: mend the cell") from None
    return _Cell(float(decimal), float(Decimal(5).scaleb(exponent - 1)))


def _half_unit(name: str, cell: _Cell) -> float:
    return 0.0 if name in BY_KEY and BY_KEY[name].is_count else cell.half_unit


def _refuse_repeats(path: Path, keys: list[object] | list[str] | list[tuple[str, str]]) -> None:
    seen: set[object] = set()
    for key in keys:
        if key in seen:
            raise InputError(f"{path} has the row {key} twice: remove one")
        seen.add(key)
