"""The study: packed from run folders as one file, from which alone its committed tables are rebuilt bit for bit."""

from __future__ import annotations

import csv
import json
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from vlit.analysis.build import Options, build_outputs
from vlit.analysis.runs import find_runs, pack_runs, read_packed, read_run_quality
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
    cfg = OmegaConf.merge(cfg, {"source": "runs", "runs": study, "paper": str(ROOT / "paper")})
    cfg.output = output
    build_outputs(Options.of(cfg, ROOT / "conf"))
    return {str(path.relative_to(output)): path.read_bytes() for path in Path(output).rglob("*") if path.is_file()}


def test_the_small_files_are_packed_as_they_are(runs: Path, tmp_path: Path) -> None:
    again = runs / "mini/llava/ours/seed0/evaluations/b-ranking-shuffled_images"
    write(again / "result.json", {"accuracy": {"Overall": 25}})
    packed = tmp_path / "study/runs.jsonl"
    assert pack_runs(runs, packed) == {"run": 13 * 3 * 2, "quality": 13}
    for row in read_packed(packed, "run"):
        for name in ("result", "provenance"):
            assert row[name] == json.loads((runs / row["path"] / f"{name}.json").read_text())
        expected = [again.name] if row["path"] == "mini/llava/ours/seed0" else []
        assert list(row["evaluations"]) == expected
    for row in read_packed(packed, "quality"):
        assert row["quality"] == json.loads((runs / row["path"] / "quality.json").read_text())


@pytest.mark.parametrize("place", ["study", "study/runs.jsonl"])
def test_a_packed_file_reads_as_the_run_folders_do(runs: Path, tmp_path: Path, place: str) -> None:
    pack_runs(runs, tmp_path / "study/runs.jsonl")
    from_folders, from_file = find_runs(runs), find_runs(tmp_path / place)
    assert [run.result for run in from_file] == [run.result for run in from_folders]
    assert from_folders[0].source == str(runs / "mini/blip2/dose_base_0/seed0")
    assert from_file[0].source == f"{tmp_path / 'study/runs.jsonl'}:mini/blip2/dose_base_0/seed0"
    indicators = [read_run_quality(path, ["Ours", "Absent"], "mini") for path in (runs, tmp_path / place)]
    assert indicators[1].values.equals(indicators[0].values)
    assert indicators[1].reasons["Absent", "MD"] == indicators[0].reasons["Absent", "MD"]


def test_packing_again_replaces_what_is_there_and_keeps_the_rest(runs: Path, tmp_path: Path) -> None:
    packed = tmp_path / "study/runs.jsonl"
    pack_runs(runs, packed)
    first = packed.read_bytes()
    pack_runs(runs, packed)
    assert packed.read_bytes() == first
    other = tmp_path / "other/mini/llava/ours/seed0"
    write(other / "result.json", {"model": "llava", "changed": True})
    write(other / "provenance.json", {})
    assert pack_runs(tmp_path / "other", packed)["run"] == 13 * 3 * 2
    changed = [row["path"] for row in read_packed(packed, "run") if "changed" in row["result"]]
    assert changed == ["mini/llava/ours/seed0"]


def test_a_run_without_provenance_and_a_cut_off_file_are_refused(runs: Path, tmp_path: Path) -> None:
    first, packed = runs / "mini/llava/ours/seed0", tmp_path / "study/runs.jsonl"
    (first / "provenance.json").unlink()
    with pytest.raises(InputError, match=r"provenance\.json"):
        pack_runs(runs, packed)
    write(first / "provenance.json", {})
    (first / "result.json").write_text('{"model"')
    with pytest.raises(InputError, match="cut off"):
        pack_runs(runs, packed)
    assert not packed.exists()
    with pytest.raises(InputError, match="no finished run"):
        pack_runs(tmp_path / "empty", packed)


def test_the_command_packs_and_reports_faults_in_one_line(runs: Path, tmp_path: Path) -> None:
    def collect(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "experiments/collect.py", f"runs={folder}", f"output={tmp_path / 'study'}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = collect(runs)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"78 runs and 13 datasets in {tmp_path / 'study/runs.jsonl'}\n"
    failed = collect(tmp_path / "empty")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: no finished run under")
    assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize("line", ['{"kind": "run", "path"', '{"kind": "run", "path": "a"}', '{"kind": "other"}', "[]"])
def test_a_broken_packed_file_is_refused_with_its_line(runs: Path, tmp_path: Path, line: str) -> None:
    packed = tmp_path / "runs.jsonl"
    pack_runs(runs, packed)
    lines = packed.read_text().splitlines()
    packed.write_text("\n".join([lines[0], line, *lines[1:]]))
    with pytest.raises(InputError, match=r"runs\.jsonl:2 "):
        find_runs(packed)


def test_tables_are_rebuilt_bit_for_bit_from_the_packed_file(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for predictions in runs.rglob("predictions.jsonl"):  # large: they are not packed
        predictions.unlink()
    from_folders = rebuilt("runs", "folders")
    pack_runs(runs, Path("study/runs.jsonl"))
    runs.rename(tmp_path / "gone")
    from_file = rebuilt("study", "file")
    moved = [(b"study/runs.jsonl:mini/", b"runs/mini/"), (b"runs under study;", b"runs under runs;")]
    for name, content in from_file.items():
        for here, there in moved:
            content = content.replace(here, there)  # noqa: PLW2901
        assert content == from_folders[name], name
    assert set(from_file) == set(from_folders)
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
    assert {f"tables/{name}.csv" for name in names} <= set(from_file)
    assert {"figures/fig05.svg", "figures/doses.svg"} <= set(from_file)
    page = from_file["report.html"].decode()
    assert 'id="dose_effects"' in page
    assert 'id="power"' in page
    comparison = from_file["beside_the_paper.md"].decode()
    assert "LLaVA: order of 4 datasets by Overall, rho = " in comparison


def test_a_page_links_to_the_study_next_to_it(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pack_runs(runs, Path("small/runs.jsonl"))
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
    committed = [path for path in study.rglob("*") if path.is_file() and path.name != "runs.jsonl"]
    assert {str(path.relative_to(study)) for path in committed} == made
    for path in committed:
        again = tmp_path / path.relative_to(study)
        if path.suffix == ".csv":
            pairs = zip(cells_of(again), cells_of(path), strict=True)
            assert not [pair for pair in pairs if not same(*pair)], path
        elif path.suffix in (".md", ".tex") and path.stem != "mixed_effects":
            assert again.read_bytes() == path.read_bytes(), path


def test_every_run_of_the_committed_study_names_a_clean_commit_and_its_seed() -> None:
    runs = read_packed(ROOT / "results/study/runs.jsonl", "run")
    doses_run = [run for run in runs if run["result"]["data"].startswith("dose_")]
    assert len(runs) - len(doses_run) == 3 * 4 * 5
    assert len(doses_run) == 3 * 25 * 2
    for run in runs:
        provenance, result = run["provenance"], run["result"]
        assert len(provenance["commit"]) == 40
        assert provenance["dirty"] is False, run["path"]
        assert run["path"] == f"mini/{result['model']}/{result['data']}/seed{result['seed']}"
