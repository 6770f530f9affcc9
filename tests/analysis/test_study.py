"""The study's committed tables: collected from run folders, rebuilt bit for bit from the collected files alone."""

from __future__ import annotations

import csv
import json
import math
import random
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from vlit.analysis.build import Options, build
from vlit.analysis.study.collect import collect
from vlit.common.errors import InputError
from vlit.mini.doses.design import doses

ROOT = Path(__file__).parents[2]
GRID = ("llava", "mimic_it", "ours", "ours_qc")
MODELS = ("llava", "blip2", "openflamingo")
COLUMNS = ("SU", "VR")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A finished grid and the doses of two principles, with all that a run leaves."""
    rng = random.Random(0)
    chosen = [each.name for each in doses() if each.principle in ("base", "correctness", "complexity")]
    for place, data in enumerate([*GRID, *chosen]):
        quality = {"data": data, "scale": "mini", "indicators": {"MD": place + rng.random(), "T": 9, "R": rng.random()}}
        write(tmp_path / "runs/mini/quality" / data / "quality.json", quality)
        for model in MODELS:
            for seed in (0, 1):
                accuracy = {name: 30 + place + rng.gauss(0, 1) for name in ("Overall", *COLUMNS)}
                result = {
                    "model": model, "data": data, "scale": "mini", "seed": seed, "scoring": "ranking_mean",
                    "benchmark": "b", "accuracy": accuracy, "counts": {"Overall": 80, "SU": 40, "VR": 40},
                }  # fmt: skip
                folder = tmp_path / "runs/mini" / model / data / f"seed{seed}"
                write(folder / "result.json", result)
                write(folder / "provenance.json", {"commit": "none"})
                write(folder / "predictions.jsonl", {"large": True})
    return tmp_path / "runs"


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def rebuilt(study: str, output: str) -> dict[str, bytes]:
    cfg = OmegaConf.load(ROOT / "conf/tables.yaml")
    del cfg["defaults"]
    cfg = OmegaConf.merge(cfg, {"source": "runs", "runs": study, "published": str(ROOT / "results/published")})
    cfg.output = output
    build(Options.of(cfg, ROOT / "conf"))
    return {str(path.relative_to(output)): path.read_bytes() for path in Path(output).rglob("*") if path.is_file()}


def test_only_the_small_files_are_collected_as_they_are(runs: Path, tmp_path: Path) -> None:
    files = collect(runs, tmp_path / "study")
    assert {path.name for path in files} == {"result.json", "provenance.json", "quality.json"}
    assert len(files) == 13 * (1 + 3 * 2 * 2)
    for path in files:
        assert path.read_bytes() == (runs / path.relative_to(tmp_path / "study")).read_bytes()


def test_a_run_without_provenance_and_a_cut_off_file_are_refused(runs: Path, tmp_path: Path) -> None:
    first = runs / "mini/llava/ours/seed0"
    (first / "provenance.json").unlink()
    with pytest.raises(InputError, match=r"provenance\.json"):
        collect(runs, tmp_path / "study")
    write(first / "provenance.json", {})
    (first / "result.json").write_text('{"model"')
    with pytest.raises(InputError, match="cut off"):
        collect(runs, tmp_path / "study")
    assert not (tmp_path / "study").exists()
    with pytest.raises(InputError, match="no finished run"):
        collect(tmp_path / "empty", tmp_path / "study")


def test_tables_are_rebuilt_bit_for_bit_from_the_collected_files(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    collect(runs, Path("study"))
    first = rebuilt("study", "first")
    runs.rename(tmp_path / "gone")
    assert rebuilt("study", "second") == first
    names = (
        "table03",
        "table04",
        "table15",
        "dose_effects",
        "indicator_effects",
        "dose_predictions",
        "noise",
        "power",
        "mixed_effects",
    )
    assert {f"tables/{name}.csv" for name in names} <= set(first)
    assert {"figures/fig05.svg", "figures/doses.svg"} <= set(first)
    page = first["report.html"].decode()
    assert 'id="dose_effects"' in page
    assert 'id="power"' in page
    beside = first["beside_the_paper.md"].decode()
    assert "LLaVA: order of 4 datasets by Overall, rho = " in beside


def test_a_page_names_the_study_beside_it(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    collect(runs, Path("small"))
    link = b'href="study/report.html"'
    assert link not in rebuilt("small", "output")["report.html"]
    (tmp_path / "output" / "study").mkdir()
    (tmp_path / "output" / "study" / "report.html").touch()
    assert link in rebuilt("small", "output")["report.html"]


def test_doses_alone_give_their_tables(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for data in GRID:
        for model in MODELS:
            (runs / "mini" / model / data).rename(tmp_path / f"{model}{data}")
    found = rebuilt("runs", "output")
    assert "tables/dose_effects.csv" in found
    assert "tables/table03.csv" not in found


def cells_of(path: Path) -> list[str]:
    """All cells of a CSV, row after row."""
    return [cell for row in csv.reader(path.open(encoding="utf-8")) for cell in row]


def same(one: str, other: str) -> bool:
    """Equal as text, or as numbers up to what another processor makes of them: an optimiser stops a little apart."""
    try:
        return one == other or math.isclose(float(one), float(other), rel_tol=1e-3, abs_tol=1e-9)
    except ValueError:
        return False


def test_the_committed_study_is_what_its_committed_runs_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    study = Path("results/study")
    made = set(rebuilt(str(study), str(tmp_path)))
    committed = [path for path in study.rglob("*") if path.is_file() and "mini" not in path.relative_to(study).parts]
    assert {str(path.relative_to(study)) for path in committed} == made
    for path in committed:
        again = tmp_path / path.relative_to(study)
        if path.suffix == ".csv":
            pairs = zip(cells_of(again), cells_of(path), strict=True)
            assert not [pair for pair in pairs if not same(*pair)], path
        elif path.suffix in (".md", ".tex") and path.stem != "mixed_effects":
            assert again.read_bytes() == path.read_bytes(), path


def test_every_run_of_the_committed_study_names_a_clean_commit_and_its_seed() -> None:
    runs = sorted((ROOT / "results/study/mini").glob("*/*/seed*"))
    doses_run = [run for run in runs if run.parent.name.startswith("dose_")]
    assert len(runs) - len(doses_run) == 3 * 4 * 5
    assert len(doses_run) == 3 * 25 * 2
    for run in runs:
        provenance, result = (json.loads((run / name).read_text()) for name in ("provenance.json", "result.json"))
        assert len(provenance["commit"]) == 40
        assert provenance["dirty"] is False, run
        assert run.name == f"seed{result['seed']}"
