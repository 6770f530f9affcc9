"""The configuration: everything composes, the paper's numbers are in it, and every key is read by something."""

from __future__ import annotations

import pytest
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict

from tests.conftest import DATASETS, FAMILIES
from vlit.common.errors import InputError


@pytest.mark.parametrize("scale", ["mini", "paper"])
@pytest.mark.parametrize("model", FAMILIES)
@pytest.mark.parametrize("data", DATASETS)
def test_every_choice_composes_and_resolves(compose, scale: str, model: str, data: str) -> None:
    cfg = compose(f"scale={scale}", f"model={model}", f"data={data}", tiny=False)
    OmegaConf.resolve(cfg)
    assert cfg.run_folder.endswith(f"results/runs/{scale}/{model}/{data}/seed{cfg.seed}")


# Tables 6-8 of the paper.
PUBLISHED = {
    "llava": {
        "model.build.select_layer": -2,
        "tuning.precision": "16-mixed",
        "tuning.epochs": 1,
        "tuning.batch_size": 4,
        "tuning.accumulation": 2,
        "tuning.optimizer.lr": 2e-5,
        "tuning.groups.weight_decay": 0.0,
        "tuning.schedule.warmup_ratio": 0.03,
        "tuning.max_length": 2048,
        "tuning.workers": 4,
    },
    "blip2": {
        "tuning.epochs": 1,
        "tuning.batch_size": 4,
        "tuning.accumulation": 1,
        "tuning.optimizer.lr": 1e-5,
        "tuning.schedule.minimum_rate": 0,
        "tuning.schedule.warmup_rate": 1e-8,
        "tuning.schedule.warmup_steps": 1000,
        "tuning.groups.weight_decay": 0.05,
        "tuning.workers": 4,
    },
    "openflamingo": {
        "model.build.cross_attn_every_n_layers": 1,
        "tuning.epochs": 6,
        "tuning.batch_size": 1,
        "tuning.schedule.warmup_steps": 1000,
        "tuning.workers": 4,
    },
}


@pytest.mark.parametrize(("model", "key"), [(model, key) for model, keys in PUBLISHED.items() for key in keys])
def test_paper_scale_has_the_published_hyperparameters(compose, model: str, key: str) -> None:
    assert OmegaConf.select(compose("scale=paper", f"model={model}", tiny=False), key) == PUBLISHED[model][key]


@pytest.mark.parametrize("group", ["tuning", "data", "quality", "benchmark.scoring"])
def test_a_key_that_nothing_reads_is_an_error(compose, group: str) -> None:
    cfg = compose()
    node = OmegaConf.select(cfg, group)
    with open_dict(node):
        node.nobody_reads_this = 1
    with pytest.raises((InstantiationException, TypeError)):
        made = instantiate(node)
        made()  # what is `_partial_` finds out when it is called


def test_the_trainer_refuses_a_key_that_nothing_reads(compose) -> None:
    from vlit.tuning import setup

    cfg = compose()
    with open_dict(cfg):
        cfg.trainer.nobody_reads_this = 1
    with pytest.raises(InputError, match="nobody_reads_this"):
        setup.trainer(cfg)()


def test_the_model_refuses_a_key_that_nothing_reads(compose) -> None:
    from vlit.tuning import setup

    cfg = compose("model=llava")
    with open_dict(cfg):
        cfg.model.build.nobody_reads_this = 1
    with pytest.raises(InputError, match="nobody_reads_this"):
        setup.model(cfg)


TOP_LEVEL = {
    "seed", "force", "data_size", "scale", "paths", "prepare", "model", "data", "datasets", "tuning", "quality",
    "benchmark", "trainer", "run_folder", "plan", "images", "indicators",
}  # fmt: skip


def test_there_is_no_other_top_level_key(compose) -> None:
    assert set(compose()) == TOP_LEVEL
    assert set(compose().benchmark) == {"annotations", "images", "scoring"}
    common = {"name", "label", "family", "template", "add_bos", "build", "architecture"}
    assert set(compose("model=openflamingo").model) == common
    assert set(compose("model=llava").model) == common | {"strategy"}
    assert set(compose("model=blip2").model) == common | {"half_frozen", "library"}


def test_a_dose_is_chosen_by_principle_and_level(compose) -> None:
    cfg = compose("data=dose", "dose.principle=correctness", "dose.level=2")
    assert set(cfg) == TOP_LEVEL | {"dose"}
    assert cfg.run_folder.endswith("/dose_correctness_2/seed0")
    assert cfg.data_size == "all"
    with open_dict(cfg):
        cfg.dose.nobody_reads_this = 1
    with pytest.raises(InstantiationException, match="nobody_reads_this"):
        instantiate(cfg.dose)
