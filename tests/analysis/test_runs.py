"""Tables from run folders: averages, refusals, missing cells, and where each number comes from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from vlit.analysis.measurements import missing_cells
from vlit.analysis.runs import find_runs, read_run_quality, read_runs, select_runs
from vlit.analysis.statistics.correlation import bootstrap_intervals, read_correct
from vlit.analysis.statistics.reliability import icc_per_seed, table_4_extended
from vlit.analysis.statistics.variance import mixed_effects
from vlit.analysis.table import as_csv
from vlit.analysis.tables.results import table_3, table_4
from vlit.common.errors import InputError

Make = Callable[..., Path]
DATA = ("llava", "mimic_it", "ours", "ours_qc")


@pytest.fixture
def full(make_run: Make, make_quality: Make, tmp_path: Path) -> Path:
    for number, data in enumerate(DATA):
        make_quality(data, MD=30.0 + number, C=90.0, T=9 + number % 2, I_div=None)
        for model in ("llava", "blip2"):
            for seed in (0, 1):
                make_run(model, data, seed)
    return tmp_path


def test_mean_and_deviation_over_seeds(full: Path) -> None:
    scores = read_runs(find_runs(full / "runs"))
    assert scores.models == ["LLaVA", "BLIP-2"]
    assert scores.datasets == ["LLaVA", "MIMIC-IT", "Ours", "Ours+QC"]
    folders = [full / "runs" / "mini" / "blip2" / "ours" / f"seed{seed}" for seed in (0, 1)]
    values = [json.loads((folder / "result.json").read_text())["accuracy"]["SU"] for folder in folders]
    assert scores.mean.loc[("BLIP-2", "Ours"), "SU"] == pytest.approx(np.mean(values), abs=1e-10)
    assert scores.std.loc[("BLIP-2", "Ours"), "SU"] == pytest.approx(np.std(values, ddof=1), abs=1e-10)
    assert scores.sources["BLIP-2", "Ours"] == [str(folder) for folder in folders]
    assert scores.counts == {"SU": 12, "IA": 12, "VR": 12, "Overall": 36}
    assert missing_cells(scores) == []


def test_each_number_names_its_run_folders(full: Path) -> None:
    table = table_3(read_runs(find_runs(full / "runs")))
    assert "Questions: Overall 36" in " ".join(table.notes)
    for line in as_csv(table).splitlines()[1:]:
        assert line.count("result.json") == 0
        assert line.count("/seed") == 2
    assert "±" in table.rows[0][2]


def test_an_evaluation_of_a_run_is_no_run_of_its_own(full: Path) -> None:
    runs = find_runs(full / "runs")
    again = (
        full / "runs" / "mini" / "blip2" / "ours" / "seed0" / "evaluations" / "SEED-Bench-ranking_mean-shuffled_images"
    )
    again.mkdir(parents=True)
    (again / "result.json").write_text(json.dumps({**runs[0].result, "scoring": "other"}))
    assert find_runs(full / "runs") == runs


def test_ties_are_all_bold(make_run: Make, tmp_path: Path) -> None:
    for data in ("llava", "ours"):
        make_run("llava", data, accuracy={"Overall": 30.0, "SU": 25.0})
    table = table_3(read_runs(find_runs(tmp_path)))
    assert table.bold == {(row, column) for row in (0, 1) for column in (2, 3)}


@pytest.mark.parametrize("field", ["scale", "scoring", "benchmark"])
def test_mixtures_are_refused_and_can_be_chosen_from(make_run: Make, tmp_path: Path, field: str) -> None:
    make_run("llava", "ours", 0)
    make_run("llava", "ours", 1, **{field: "other"})
    runs = find_runs(tmp_path)
    with pytest.raises(InputError, match=field):
        read_runs(runs)
    assert len(read_runs(select_runs(runs, {field: "other"})).per_seed) == 1
    with pytest.raises(InputError, match="none of 2 runs"):
        select_runs(runs, {field: "third"})


def test_other_refusals(make_run: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no result\.json"):
        find_runs(tmp_path)
    make_run("llava", "ours", 0)
    make_run("llava", "ours", 1, counts={"SU": 3})
    with pytest.raises(InputError, match="numbers of questions"):
        read_runs(find_runs(tmp_path))
    twin = make_run("llava", "ours", 2)
    result = json.loads((twin / "result.json").read_text())
    (twin / "result.json").write_text(json.dumps(result | {"seed": 0}))
    with pytest.raises(InputError, match="keep one"):
        read_runs(find_runs(tmp_path))
    make_run("llava", "ours", 3, accuracy={"SU": "high"})
    with pytest.raises(InputError, match="not a number"):
        find_runs(tmp_path)


def test_missing_cells_are_named(make_run: Make, tmp_path: Path) -> None:
    for model, data, seed in (("llava", "ours", 0), ("llava", "ours", 1), ("blip2", "llava", 0)):
        make_run(model, data, seed)
    scores = read_runs(find_runs(tmp_path))
    assert set(missing_cells(scores)) == {
        "LLaVA, LLaVA, seed 0",
        "LLaVA, LLaVA, seed 1",
        "BLIP-2, LLaVA, seed 1",
        "BLIP-2, Ours, seed 0",
        "BLIP-2, Ours, seed 1",
    }
    assert "two models" in " ".join(table_4(read_run_quality(tmp_path, scores.datasets, "mini"), scores).notes)


def test_absent_indicators_stay_empty_with_a_reason(full: Path) -> None:
    quality = read_run_quality(full / "quality", ["LLaVA", "Other"], "mini")
    assert quality.values.loc["LLaVA", "MD"] == 30.0
    assert np.isnan(quality.values.loc["LLaVA", "I_div"])
    assert "not in" in quality.reasons["LLaVA", "I_div"]
    assert "no quality.json" in quality.reasons["Other", "MD"]


def test_icc_per_seed_and_intervals(full: Path) -> None:
    scores = read_runs(find_runs(full / "runs"))
    assert set(icc_per_seed(scores, "Ours")) <= {"0", "1"}
    rows = table_4_extended(scores).rows
    assert len(rows) == 12
    assert all(" to " in row[3] for row in rows)


def test_bootstrap_keeps_the_questions_paired(full: Path) -> None:
    scores = read_runs(find_runs(full / "runs"))
    correct, dimension, reason = read_correct(scores)
    assert reason == ""
    for data in scores.datasets:  # the mean of correct answers is the table's number
        expected = scores.mean.xs(data, level="data")["SU"].mean()
        assert 100 * correct.loc[dimension == "SU", data].mean() == pytest.approx(expected, abs=1e-10)
    quality = read_run_quality(full / "quality", scores.datasets, "mini")
    intervals, reason = bootstrap_intervals(quality, scores)
    assert reason == ""
    again, _ = bootstrap_intervals(quality, scores)
    pd.testing.assert_frame_equal(intervals, again)
    cells = intervals.set_index(["indicator", "dimension"])
    assert set(intervals.indicator) == {"MD", "TD"}
    assert (cells.low <= cells.high).all()
    assert cells.high.max() <= 1
    assert cells.low.min() >= -1


def test_bootstrap_says_why_it_is_absent(full: Path) -> None:
    scores = read_runs(find_runs(full / "runs"))
    Path(scores.sources["LLaVA", "Ours"][0], "predictions.jsonl").unlink()
    intervals, reason = bootstrap_intervals(read_run_quality(full, scores.datasets, "mini"), scores)
    assert intervals.empty
    assert "predictions.jsonl" in reason


def test_mixed_effects_recover_a_planted_slope(make_run: Make, make_quality: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, data in enumerate(DATA):
        make_quality(data, MD=float(number), T=9.0)
        for model in ("llava", "blip2", "openflamingo"):
            for seed in (0, 1, 2):
                accuracy = {d: 20 + 5.0 * number + level + rng.normal(0, 0.5) for d, level in (("SU", 3), ("IA", 8))}
                make_run(model, data, seed, accuracy=accuracy, counts={})
    scores = read_runs(find_runs(tmp_path))
    fits = mixed_effects(read_run_quality(tmp_path, scores.datasets, "mini"), scores).set_index("indicator")
    assert fits.loc["MD", "slope"] == pytest.approx(5 * np.std(range(4), ddof=1), abs=0.3)
    assert fits.loc["MD", "low"] < fits.loc["MD", "slope"] < fits.loc["MD", "high"]
    assert "same for every dataset" in fits.loc["TD", "reason"]
    assert "0 datasets" in fits.loc["C", "reason"]


def test_too_few_seeds_give_no_mixed_model(make_run: Make, make_quality: Make, tmp_path: Path) -> None:
    for number, data in enumerate(DATA):
        make_quality(data, MD=float(number))
        make_run("llava", data)
    scores = read_runs(find_runs(tmp_path))
    fits = mixed_effects(read_run_quality(tmp_path, scores.datasets, "mini"), scores).set_index("indicator")
    assert "seeds" in fits.loc["MD", "reason"]
