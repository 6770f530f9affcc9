"""The run folder: done once, resumed under the same configuration only."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import read_json, write_json, write_jsonl
from vlit.common.needed import weights_fingerprint
from vlit.runs.folder import PACKAGES, RunFolder


def test_a_new_run_begins_and_a_done_one_does_not(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "seed0")
    assert folder.begin("seed: 0\n", force=False)
    assert folder.begin("seed: 0\n", force=False)  # half-finished: resumed
    write_json(folder.result, {"accuracy": {"Overall": 100.0, "SU": 100.0}, "counts": {"Overall": 1}})
    write_jsonl(folder.predictions, [{"dimension": "SU", "prediction": "A", "answer": "A"}])
    assert not folder.begin("seed: 0\n", force=False)


def test_force_starts_from_the_beginning(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "seed0")
    folder.begin("seed: 0\n", force=False)
    write_json(folder.result, {})
    assert folder.begin("seed: 0\n", force=True)
    assert not folder.done


def test_another_configuration_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "seed0")
    folder.begin("lr: 0.1\nseed: 0\n", force=False)
    with pytest.raises(InputError, match=r"was `lr: 0.1`, now `lr: 0.2`.*force=true"):
        folder.begin("lr: 0.2\nseed: 0\n", force=False)


def test_provenance_keeps_the_first_start(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.record_start("abc", "w", {"cores": 2})
    first = read_json(tmp_path / "provenance.json")
    folder.record_start("abc", "w", {"cores": 2})
    folder.record_end()
    second = read_json(tmp_path / "provenance.json")
    assert second["start"] == first["start"]
    assert len(second["resumed"]) == 1
    assert second["end"] is not None
    assert set(second["packages"]) == set(PACKAGES)
    assert (second["data_fingerprint"], second["hardware"]) == ("abc", {"cores": 2})


def test_the_second_process_of_a_forced_run_leaves_the_first_ones_files(tmp_path, monkeypatch) -> None:
    folder = RunFolder(tmp_path / "run")
    assert folder.begin("a: 1\n", force=True)
    (folder.path / "metrics.jsonl").write_text("{}\n")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert folder.begin("a: 1\n", force=True)
    assert (folder.path / "metrics.jsonl").exists()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert folder.begin("a: 1\n", force=True)
    assert not (folder.path / "metrics.jsonl").exists()


def test_a_run_is_not_resumed_on_other_data(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.record_start("a" * 64, "w", {})
    folder.record_start("b" * 64, "w", {})  # nothing was trained yet: it starts on the new data
    folder.checkpoint.parent.mkdir(parents=True)
    folder.checkpoint.write_bytes(b"")
    with pytest.raises(InputError, match=r"began with other data .*bbbbbbbbbbbb, now cccccccccccc.*force=true"):
        folder.record_start("c" * 64, "w", {})
    assert read_json(folder.provenance)["data_fingerprint"] == "b" * 64
    folder.record_start("b" * 64, "w", {})
    assert len(read_json(folder.provenance)["resumed"]) == 2


def test_a_run_is_not_resumed_from_other_weights(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.record_start("a", "b" * 64, {})
    folder.checkpoint.parent.mkdir(parents=True)
    folder.checkpoint.write_bytes(b"")
    with pytest.raises(InputError, match=r"began with other weights .*bbbbbbbbbbbb, now cccccccccccc.*force=true"):
        folder.record_start("a", "c" * 64, {})


def test_the_fingerprint_of_weights_sees_their_content(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "part").mkdir(parents=True)
    (weights / "part" / "model.bin").write_bytes(bytes(2_000_000))
    build = {"network": str(weights / "part"), "trained": ["a"], "sources": {"network": "somewhere"}}
    cfg = OmegaConf.create({"paths": {"weights": str(weights)}, "benchmark": {}, "model": {"build": build}})
    first = weights_fingerprint(cfg)
    assert first == weights_fingerprint(cfg)
    (weights / "part" / "model.bin").write_bytes(bytes(1_999_999) + b"x")
    assert weights_fingerprint(cfg) != first
    (weights / "part" / "model.bin").rename(weights / "part" / "other.bin")
    (weights / "part" / "other.bin").write_bytes(bytes(2_000_000))
    assert weights_fingerprint(cfg) != first
