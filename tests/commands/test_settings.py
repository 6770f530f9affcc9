"""Every key of every command has a declared type and range; what is senseless is refused before any work."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from tests.conftest import ROOT, tiny_overrides
from vlit.common import settings
from vlit.common.errors import InputError
from vlit.common.keys import COMMANDS, KEYS

# Compositions that together have every choice of every group.
COMPOSED: dict[str, list[list[str]]] = {
    "train": [
        [],
        ["scale=paper", "model=llava", "data=ours"],
        ["scale=paper", "model=blip2", "data=llava", "trainer=a100x8"],
        ["scale=paper", "model=openflamingo", "data=mimic_it", "trainer=1x24G", "lora=half", "logger=wandb"],
        ["model=openflamingo", "data=dose", "logger=csv", "quality=combined"],
        ["model=llava", "trainer=v100x8_sharded", "lora=language_model"],
        ["data=none"],
    ],
    "evaluate": [["run=somewhere"]],
    "ask": [["image=a.jpg", "question=b"]],
    "export": [["run=somewhere", "to=elsewhere"]],
    "assess": [
        [],
        ["scale=paper", "judge=server", "llm=server", "parser=hanlp"],
        ["judge=llava", "llm=local"],
        ["judge=family", "llm=batch"],
    ],
    "curate": [[], ["data=mimic_it", "quality=combined"], ["quality=oracle"], ["quality=random"]],
    "construct": [[], ["construct/source@source=world", "llm=offline"], ["llm=batch"], ["llm=local"]],
    "sweep": [[], ["slurm=paper"]],
    "status": [[]],
    "tables": [[]],
    "collect": [[]],
    "fetch": [[]],
    "pretrain": [[]],
}
EVERY = [(command, choices) for command, several in COMPOSED.items() for choices in several]
# Rows for keys that no file of `conf/` has, but `+key=value` may add.
OPTIONAL = {
    "data.read.name", "judge.build.dtype", "tuning.optimizer.weight_decay", "tuning.optimizer.eps",
    "instruction_diversity.longest", "instruction_diversity.seed", "tuning.optimizer.**", "trainer.**",
    "model.build.**",
    "model.strategy.**", "model.architecture.**", "tuning.loss_multiplier",
}  # fmt: skip
WRONG: tuple[Any, ...] = ("abc", 1.5, -1, True, None, "", [1], "/nowhere/at all", math.nan)


def leaves(node: Any, key: str = "") -> Iterator[str]:
    """Yield the keys of all values of a configuration, lists of values as one."""
    names: Any = node if isinstance(node, DictConfig) else range(len(node))
    for name in names:
        if OmegaConf.is_interpolation(node, name):
            yield f"{key}.{name}" if key else str(name)
            continue
        value, below = node[name], f"{key}.{name}" if key else str(name)
        groups = OmegaConf.is_list(value) and len(value) and OmegaConf.is_dict(value[0])
        if (OmegaConf.is_dict(value) and len(value)) or groups:
            yield from leaves(value, below)
        else:
            yield below


@pytest.fixture(scope="module")
def composed(compose) -> dict[str, list[DictConfig]]:
    return {
        command: [compose(*choices, config=command, tiny=False) for choices in several]
        for command, several in COMPOSED.items()
    }


@pytest.mark.parametrize("command", COMPOSED)
def test_every_configuration_that_conf_composes_passes(composed, command: str) -> None:
    for cfg in composed[command]:
        settings.check(cfg, command)


def test_the_compositions_above_have_every_command_and_every_choice() -> None:
    files = {path.stem for path in (ROOT / "conf").glob("*.yaml")} - {"command"}
    assert files == set(COMPOSED)
    chosen = " ".join(choice for _, choices in EVERY for choice in choices)
    for group in ("judge", "llm", "parser", "logger", "lora", "data", "model", "quality", "scale"):
        for file in (ROOT / "conf" / group).glob("*.yaml"):
            default = any(f"{group}: {file.stem}" in path.read_text() for path in (ROOT / "conf").glob("*.yaml"))
            assert default or f"{group}={file.stem}" in chosen, file


def test_every_declared_key_is_one_that_a_configuration_has(composed) -> None:
    used: set[str] = set()
    for command, several in composed.items():
        tables = {**KEYS, **COMMANDS.get(command, {})}
        for cfg in several:
            for key in leaves(cfg):
                used |= {pattern for pattern in tables if settings._pattern(pattern).fullmatch(key)}
                used |= {pattern for pattern in tables if key.startswith(f"{pattern}.") or pattern == key.split(".")[0]}
    rows = {*KEYS, *(key for own in COMMANDS.values() for key in own)}
    datasets = {key for key in rows if key.startswith("datasets.*.")}  # the rows of `data` again
    dead = {key for key in rows - used - datasets if key not in OPTIONAL and not key.startswith(("llm.", "judge."))}
    assert dead == set()


def nested(key: str, value: Any) -> DictConfig:
    """Return a configuration of one key; its numbers are names of a mapping, which are checked alike."""
    for name in reversed(key.split(".")):
        value = {name: value}
    cfg = OmegaConf.create(value)
    assert isinstance(cfg, DictConfig)
    return cfg


def refusal(key: str, value: Any, command: str) -> str | None:
    """Return the line with which a value is refused, or None."""
    try:
        settings.check(nested(key, value), command)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return str(error)
    return None


@pytest.mark.parametrize("command", COMPOSED)
def test_every_key_with_wrong_values_is_accepted_or_refused_in_one_line(composed, command: str) -> None:
    keys = sorted({key for cfg in composed[command] for key in leaves(cfg)})
    refused = {key: [value for value in WRONG if refusal(key, value, command)] for key in keys}
    opened = [key for key, values in refused.items() if len(values) < 4]
    assert [key for key in opened if settings.declared(key, command) is not settings.Open] == []
    assert all(any(isinstance(value, float) and math.isnan(value) for value in values) for values in refused.values())


KNOWN = [  # command, key, value, whether it is refused
    ("train", "seed", "abc", True),
    ("train", "seed", 2**32, True),
    ("train", "seed", 7, False),
    ("train", "seed", True, True),
    ("train", "force", "maybe", True),
    ("train", "force", 1, True),
    ("train", "data_size", "equal", False),
    ("train", "data_size", 0, True),
    ("train", "data_size", 12, False),
    ("train", "data_size", "most", True),
    ("train", "tuning.gradient_clip", -1.0, True),
    ("train", "tuning.gradient_clip", None, False),
    ("train", "tuning.loss_multiplier", math.nan, True),
    ("train", "tuning.batch_size", 4.0, True),
    ("train", "tuning.optimizer.lr", 0, False),
    ("train", "tuning.optimizer.lr", math.inf, True),
    ("train", "tuning.optimizer.betas", [0.9, 1.0], True),
    ("train", "tuning.optimizer.betas", [0.9, 0.99], False),
    ("train", "tuning.precision", "half", True),
    ("train", "data.name", "../elsewhere", True),
    ("train", "data.name", "mine_2", False),
    ("train", "data.read.kinds", ["global", "local"], True),
    ("train", "paths.runs", 2024, True),
    ("train", "paths.runs", str(ROOT / "README.md"), True),
    ("train", "benchmark.annotations", str(ROOT), True),
    ("train", "benchmark.annotations", str(ROOT / "README.md"), False),
    ("train", "trainer.devices", 0, True),
    ("train", "trainer.limit_train_batches", 5, False),
    ("train", "trainer.limit_train_batches", math.nan, True),
    ("train", "model.strategy", {"_target_": "lightning.X", "data_parallel_size": 8}, False),
    ("evaluate", "control", "blindfold", True),
    ("evaluate", "mode", "ranking", False),
    ("assess", "shard", "0/4", True),
    ("assess", "shard", "4/4", False),
    ("assess", "judge.build.server.base_url", "localhost:8000", True),
    ("sweep", "seeds", [0, 1], False),
    ("sweep", "seeds", 3, True),
    ("sweep", "datasets", ["ours", ["dose", "dose.level=1"]], False),
    ("sweep", "launch", "cloud", True),
    ("tables", "icc", "ICC3", True),
    ("fetch", "only", ["images"], False),
    ("pretrain", "plan.budgets.clip.rate", 0, True),
]


@pytest.mark.parametrize(("command", "key", "value", "refused"), KNOWN)
def test_known_values(command: str, key: str, value: Any, refused: bool) -> None:
    line = refusal(key, value, command)
    assert (line is not None) == refused
    assert line is None or line.startswith(f"{key}=")


def test_a_key_that_nothing_reads_is_named_with_the_nearest() -> None:
    assert refusal("benchmark.imags", "x", "train") == (
        "benchmark.imags=x: nothing reads this key, do you mean benchmark.images?"
    )


def test_all_wrong_keys_are_in_the_line() -> None:
    cfg = OmegaConf.create({"seed": "abc", "force": 3, "tuning": {"epochs": 0}})
    with pytest.raises(InputError) as error:
        settings.check(cfg, "train")
    assert str(error.value) == (
        "seed=abc: it is a whole number from 0 to 4294967295; force=3: it is true or false;"
        " tuning.epochs=0: it is a whole number, at least 1"
    )


def test_a_value_that_is_copied_is_refused_where_it_stands() -> None:
    cfg = OmegaConf.create({"tuning": {"workers": -1}, "benchmark": {"scoring": {"workers": "${tuning.workers}"}}})
    with pytest.raises(InputError, match=r"^tuning\.workers=-1: [^;]*$"):
        settings.check(cfg, "train")


def test_somebodys_own_class_has_arguments_of_its_own() -> None:
    assert refusal("data.read", {"_target_": "mine.read", "anything": 3}, "train") is None
    assert refusal("data.read", {"_target_": "mine.read", "anything": math.nan}, "train")
    assert refusal("data.read", {"_target_": "not a name", "anything": 3}, "train")
    assert refusal("templates._target_", "abc", "construct")


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=abc"],
        ["+experiment=mine"],
        ["model=nope"],
        ["trainer=null"],
        ["data=null"],
        ["quality._target_=vlit.no.X"],
    ],
)
def test_the_command_says_one_line(overrides: list[str], cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "train.py", *tiny_overrides(cache), f"paths.runs={tmp_path}", *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("config.yaml"))  # the run has not begun


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+tuning.optimizer.foo=1", "tuning.optimizer: "),
        ("+trainer.foo=1", "trainer: "),
        ("trainer.accelerator=gpu", "trainer: "),
        ("tuning.precision=16-mixed", "tuning.precision=16-mixed: "),
        ("model.family=mine", "model.family=mine: "),
    ],
)
def test_what_only_torch_can_tell_is_said_before_the_run_begins(compose, tmp_path: Path, override, said) -> None:
    from vlit.runs.folder import RunFolder
    from vlit.tuning import setup

    with pytest.raises(InputError, match=f"^{said}"):
        setup.tuning_run(compose(override), RunFolder(tmp_path))


TINY = {  # runs of a few seconds
    "train": ["model=blip2", "data=llava", "data_size=4", "tuning.max_steps=1"],
    "curate": ["data=llava"],
    "assess": ["data=llava", "data_size=4"],
    "construct": ["construct/source@source=world", "images=2", "source.prepare.0.spec.scenes=20"],
    "sweep": ["models=[blip2]", "datasets=[ours]"],
    "status": [],
    "tables": [],
}


@pytest.mark.slow
@pytest.mark.parametrize("command", TINY)
def test_values_that_pass_the_check_never_end_in_a_traceback(composed, cache: Path, tmp_path: Path, command) -> None:
    """Runs of the command itself, each with one key set to one of the wrong values that its type allows."""
    cfg = composed[command][0]
    folders = [f"paths.runs={tmp_path / 'runs'}"] if command in ("train", "assess", "sweep") else []
    folders += [f"paths.root={ROOT}"] if command in ("train", "assess", "curate", "construct", "sweep") else []
    folders += [f"paper={ROOT / 'paper'}"] if command == "tables" else []
    folders += [f"folder={tmp_path / 'sweep'}"] if command in ("sweep", "status") else []
    if command == "construct":
        world = tmp_path / "world"
        folders += [f"paths.cache={tmp_path / 'cache'}", f"source.prepare.0.folder={world}"]
        folders += [f"source.annotations={world / 'coco'}", f"source.images={world / 'coco/train2014'}"]
    folders += [f"output={tmp_path / 'out'}"] if command in ("assess", "construct", "tables") else []
    tiny = tiny_overrides(cache) if command in ("train", "curate", "assess") else []
    pairs = [
        (key, value)
        for key in leaves(cfg)
        for value in WRONG
        if not key.startswith(("paths.", "prepare.", "prompts.", "examples.", "datasets."))
        and not isinstance(value, list)
        and refusal(key, value, command) is None
    ]
    drawn = random.Random(command).sample(pairs, min(24, len(pairs)))
    jobs = [[*TINY[command], *tiny, *folders, f"{key}={written(value)}"] for key, value in drawn]
    given = json.dumps({"command": command, "jobs": jobs})
    done = subprocess.run(  # in a folder of their own, as some values are relative paths
        [sys.executable, "-m", "tests.commands.forked"], cwd=tmp_path, input=given, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for arguments, (status, errors) in zip(jobs, json.loads(done.stdout), strict=True):
        assert "Traceback" not in errors, (arguments[-1], errors[-2000:])
        assert status == 0 or [line for line in errors.splitlines() if line.startswith("error: ")], arguments[-1]


def written(value: Any) -> str:
    """Return a value as an override has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"'{value}'" if isinstance(value, str) else str(value)
