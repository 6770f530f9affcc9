"""The data step of a run: reading, curating and equal size are steps of their own, and the list of ids decides."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.data.sample import Rejects
from vlit.data.subset import KeptIds, read_kept, write_kept
from vlit.tuning import samples as module
from vlit.tuning.samples import run_samples

Configured = Callable[..., DictConfig]


@pytest.fixture
def configured(compose, tmp_path: Path) -> Configured:
    """`configured(overrides)`: `train.py`'s configuration with a quality folder of its own."""
    return lambda *overrides: compose(*overrides, f"quality.folder={tmp_path / 'quality'}")


def test_each_step_names_itself_and_the_list_is_made_once(
    configured: Configured, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "vlit")
    first = run_samples(configured("data=ours_qc"), Rejects())
    steps = [record.message.split(" ")[0] for record in caplog.records if record.name == module.__name__]
    assert steps == ["reading", "curating", "reading", "reading", "equal", "drawing"]
    assert "curating ours (quality.unit=sample quality.rank_by=[MD] quality.keep=0.8" in caplog.text
    kept = read_kept(tmp_path / "quality/ours/kept_ids.json")
    assert {sample.id for sample in first.samples} <= set(kept.ids)
    assert first.curation == {
        "dataset": "ours", "kept": len(kept.ids), "shortened": 0, "rules": dict(kept.rules), "sha256": kept.digest
    }  # fmt: skip
    caplog.clear()
    again = run_samples(configured("data=ours_qc"), Rejects())
    assert again == first
    assert "curating" not in caplog.text and f"keeping {len(kept.ids)} of" in caplog.text


def test_the_list_decides_and_nothing_else(configured: Configured, tmp_path: Path) -> None:
    run_samples(configured("data=ours_qc", "data_size=all"), Rejects())
    file = tmp_path / "quality/ours/kept_ids.json"
    kept = read_kept(file)
    write_kept(file, KeptIds(kept.dataset, kept.fingerprint, kept.rules, kept.ids[5:2:-1]))
    drawn = run_samples(configured("data=ours_qc", "data_size=all"), Rejects())
    assert [sample.id for sample in drawn.samples] == list(kept.ids[5:2:-1])


def test_a_list_of_other_rules_or_data_is_refused_also_for_a_compared_dataset(
    configured: Configured, tmp_path: Path
) -> None:
    run_samples(configured("data=ours_qc", "quality.keep=0.5", "data_size=all"), Rejects())
    for data in ("ours_qc", "llava"):
        with pytest.raises(InputError, match=r"made with quality.keep=0.5, but quality.keep=0.8 here") as refused:
            run_samples(configured(f"data={data}"), Rejects())
        assert "python curate.py scale=mini data=ours" in str(refused.value) and "\n" not in str(refused.value)
    assert run_samples(configured("data=llava", "data_size=all"), Rejects()).kept is None, "it needs no list"
    with pytest.raises(InputError, match="made from other data"):
        run_samples(configured("data=ours_qc", "quality.keep=0.5", "data.read.kinds=[global]"), Rejects())


def test_sizes_of_the_compared_datasets_are_read_once(
    configured: Configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = run_samples(configured("data=llava"), Rejects())
    sizes = json.loads((tmp_path / "quality/sizes.json").read_text())
    assert (
        len(drawn.samples)
        == min(sizes.values())
        < len(run_samples(configured("data=llava", "data_size=all"), Rejects()).samples)
    )
    read = []
    monkeypatch.setattr(module, "read", lambda source, rejects: read.append(source.name) or source.load(rejects))
    assert run_samples(configured("data=llava"), Rejects()) == drawn
    assert read == ["llava"]
    run_samples(configured("data=llava", "datasets.ours.read.kinds=[global]"), Rejects())
    assert read == ["llava", "llava", "ours"], "a size is that of what is read"


@pytest.mark.parametrize("size", ["some", "0", "-3", "100000"])
def test_an_impossible_size_is_refused(configured: Configured, size: str) -> None:
    with pytest.raises(InputError, match=f"data_size={size}|cannot draw 100000"):
        run_samples(configured("data=llava", f"data_size={size}"), Rejects())
