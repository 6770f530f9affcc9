"""Runs from before the packages were reordered, by the configurations that they stored (paths made relative)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from tests.conftest import FAMILIES
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl
from vlit.data.images import FileImage
from vlit.data.sample import Sample, Turn
from vlit.evaluation.runs import score_run_again
from vlit.runs.upgrade import MOVED, read_config
from vlit.tuning import setup

STORED = Path(__file__).parent / "old_runs"


def old_run(name: str, cache: Path, folder: Path) -> Path:
    """A run folder with a stored configuration, on the tests' small world."""
    folder.mkdir(parents=True)
    text = (STORED / f"{name}.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("cache/mini", str(cache)))
    return folder


def targets(node: object) -> set[str]:
    if isinstance(node, dict):
        inner = set().union(*(targets(value) for value in node.values())) if node else set()
        return inner | ({node["_target_"]} if "_target_" in node else set())
    return set().union(*(targets(one) for one in node)) if isinstance(node, list) and node else set()


@pytest.mark.parametrize("name", FAMILIES)
def test_an_old_configuration_has_the_parts_of_the_present_one(name: str, cache: Path, compose, tmp_path: Path) -> None:
    old = read_config(old_run(name, cache, tmp_path / "run") / "config.yaml")
    rate = ["tuning.optimizer.lr=1e-3", *(["tuning.schedule.base_rate=1e-3"] if name == "blip2" else [])]
    new = compose(f"model={name}", *rate)  # all had this rate
    for key in ("family", "template", "add_bos"):
        assert old.model[key] == new.model[key]
    build = OmegaConf.to_container(new.model.build, resolve=True)
    assert {**build, **OmegaConf.to_container(old.model.build), "sources": build["sources"]} == build
    assert set(build) - set(old.model.build) <= {"gradient_checkpointing"}
    assert OmegaConf.to_container(old.tuning) == OmegaConf.to_container(new.tuning, resolve=True)
    assert instantiate(old.benchmark.scoring) == instantiate(new.benchmark.scoring)
    trainer = OmegaConf.to_container(new.trainer, resolve=True)
    assert OmegaConf.to_container(old.trainer) == {key: value for key, value in trainer.items() if key != "gpu"}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_target_of_an_old_configuration_exists(name: str) -> None:
    stored = OmegaConf.to_container(OmegaConf.load(STORED / f"{name}.yaml"))
    present = targets(OmegaConf.to_container(read_config(STORED / f"{name}.yaml")))
    assert targets(stored) - present, "the stored configuration has no old name in it"
    for target in present | set(MOVED.values()):
        get_object(target)


def finished(name: str, cache: Path, family, folder: Path) -> tuple[Path, DictConfig, torch.nn.Module]:
    """An old run folder whose checkpoint has the parameters of the model before tuning."""
    cfg, model, _ = family(name)
    old_run(name, cache, folder)
    trained = {f"model.{key}": value for key, value in model.named_parameters() if value.requires_grad}
    (folder / "checkpoints").mkdir()
    torch.save({"state_dict": trained}, folder / "checkpoints" / "last.ckpt")
    return folder, cfg, model


@pytest.mark.parametrize("name", FAMILIES)
def test_an_old_run_is_scored_as_its_model_is(name: str, cache: Path, family, compose, tmp_path: Path) -> None:
    folder, cfg, _ = finished(name, cache, family, tmp_path / "run")
    result = score_run_again(compose(f"run={folder}", config="evaluate", tiny=False))
    assert json.loads(result.read_text())["counts"]["Overall"] == 36
    new = tmp_path / "new"
    (new / "checkpoints").mkdir(parents=True)
    OmegaConf.save(cfg, new / "config.yaml", resolve=True)
    (folder / "checkpoints" / "last.ckpt").rename(new / "checkpoints" / "last.ckpt")
    again = score_run_again(compose(f"run={new}", config="evaluate", tiny=False))
    assert read_jsonl(result.with_name("predictions.jsonl")) == read_jsonl(again.with_name("predictions.jsonl"))


def test_an_old_run_judges_data(cache: Path, family, compose, tmp_path: Path) -> None:
    folder, _, _ = finished("llava", cache, family, tmp_path / "run")
    images = sorted((cache / "world" / "coco" / "train2014").iterdir())[:4]
    samples = [
        Sample(str(place), (FileImage(path),), (Turn("What is it?", "A cup.", images=1),))
        for place, path in enumerate(images)
    ]
    judge = setup.likelihood_judge(
        compose("model=llava", "judge=family", f"judge.run={folder}", config="assess"), samples
    )
    assert len(judge.evidence(samples[0], samples[0].turns[0], times=2).votes) == 2


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_config(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("- 1\n")
    with pytest.raises(InputError, match="not the configuration of a run"):
        read_config(tmp_path / "config.yaml")
