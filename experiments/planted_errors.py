"""How well the indicators find planted errors: `python experiments/planted_errors.py`, after `assess.py data=ours`.

The mini world's side file lists the samples of `ours` that contain an error; only this script reads it. For each score
(least matching degree, agreement and margin of the judge, their mean rank) and kind of error: the area under the ROC
curve over samples, with a bootstrap interval over samples. Then precision and recall of the default filter. Samples
with a kind of error are compared with all samples without any.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from omegaconf import DictConfig
from scipy.stats import rankdata

from vlit.common.entry import entry
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_json

log = logging.getLogger("vlit.planted_errors")
RESAMPLES = 1000


def auc(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """Return the probability that a wrong sample scores below a right one; a tie counts half."""
    ranks = rankdata(-scores)
    number = int(wrong.sum())
    return float((ranks[wrong].sum() - number * (number + 1) / 2) / (number * (len(wrong) - number)))


def interval(scores: NDArray[np.float64], wrong: NDArray[np.bool_], seed: int = 0) -> list[float]:
    """Return the 95% bootstrap interval of the area; right and wrong samples are drawn separately."""
    rng = np.random.default_rng(seed)
    right_places, wrong_places = np.flatnonzero(~wrong), np.flatnonzero(wrong)
    found = []
    for _ in range(RESAMPLES):
        places = np.concatenate([rng.choice(some, len(some)) for some in (right_places, wrong_places)])
        found.append(auc(scores[places], wrong[places]))
    return [float(value) for value in np.quantile(found, [0.025, 0.975])]


def read_scores(folder: Path, measure: str, column: str) -> dict[str, float]:
    """Return a stored statistic by sample, the newest if there are several; {} if there is none."""
    stores = sorted(folder.glob(f"statistics-*/{measure}-*"), key=lambda path: path.stat().st_mtime)
    if not stores:
        return {}
    tables = [pq.read_table(part) for part in sorted(stores[-1].glob("part-*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist()]
    return {row["sample_id"]: row[column] for row in rows if row["fault"] is None}


def evaluate(statistics: Path, data: Path, keep: float) -> dict[str, object]:
    """Compute the areas by score and kind, and what the default filter drops.

    Args:
        statistics: folder of the dataset's statistics.
        data: folder of the dataset, with its side file.
        keep: share of samples that the filter keeps.

    Raises:
        InputError: if there are no statistics or no side file.
    """
    scores = {
        "MD": read_scores(statistics, "MD", "least"),
        "C": read_scores(statistics, "C", "agreement"),
        "C_contrast votes": read_scores(statistics, "C_contrast", "agreement"),
        "C_contrast": read_scores(statistics, "C_contrast", "margin"),
    }
    scores = {name: some for name, some in scores.items() if some}
    side_file = data / "planted_errors.jsonl"
    if not scores or not side_file.exists():
        absent = side_file if scores else f"statistics in {statistics}"
        raise InputError(f"no {absent}: run `python assess.py data=ours` first, or name them with quality.folder=")
    planted = read_jsonl(side_file)
    kinds: dict[str, set[str]] = {}
    for error in planted:
        kinds.setdefault(error["kind"], set()).add(error["id"])
    ids = sorted(set.intersection(*(set(some) for some in scores.values())))
    columns = {name: np.array([some[one] for one in ids], float) for name, some in scores.items()}
    together = [column for name, column in columns.items() if name != "C_contrast votes"]
    if len(together) > 1:
        columns["combined"] = np.mean([rankdata(column) for column in together], axis=0)
    any_error = set().union(*kinds.values())
    right = np.array([one not in any_error for one in ids])
    areas: dict[str, dict[str, object]] = {}
    for name, column in columns.items():
        areas[name] = {}
        for kind, wrong_ids in {"any": any_error, **dict(sorted(kinds.items()))}.items():
            wrong = np.array([one in wrong_ids for one in ids])
            chosen = right | wrong
            if wrong.any():
                areas[name][kind] = {
                    "auc": auc(column[chosen], wrong[chosen]),
                    "interval95": interval(column[chosen], wrong[chosen]),
                    "wrong": int(wrong.sum()),
                }
    filters = {}
    for name, column in columns.items():
        dropped = np.argsort(column, kind="stable")[: len(ids) - round(keep * len(ids))]
        hits = int((~right[dropped]).sum())
        filters[name] = {
            "dropped": len(dropped),
            "precision": hits / len(dropped) if len(dropped) else None,
            "recall": hits / int((~right).sum()),
            "error_share_before": float((~right).mean()),
            "error_share_after": float(np.delete(~right, dropped).mean()),
        }
    return {"samples": len(ids), "areas": areas, "filter": filters}


@entry("assess")
def main(cfg: DictConfig) -> None:
    """Evaluate the scores and write `planted_errors.json` next to the indicators."""
    statistics = Path(cfg.quality.folder) / cfg.data.name
    found = evaluate(statistics, Path(cfg.data.annotations), cfg.quality.keep)
    for name, kinds in found["areas"].items():  # type: ignore[attr-defined]
        for kind, row in kinds.items():
            low, high = row["interval95"]
            log.info("%-16s %-9s AUC %.3f [%.3f, %.3f], %d wrong", name, kind, row["auc"], low, high, row["wrong"])
    for name, row in found["filter"].items():  # type: ignore[attr-defined]
        log.info("filter by %-16s precision %.3f recall %.3f", name, row["precision"], row["recall"])
    write_json(Path(cfg.output) / "planted_errors.json", found)
    log.info("wrote %s", Path(cfg.output) / "planted_errors.json")


if __name__ == "__main__":
    main()
