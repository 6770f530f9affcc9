"""Every command of the documentation: its options compose, its make target and files exist; cheap ones run."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict

from tests.conftest import tiny_overrides
from tests.docs.pages import PAGES, ROOT, commands
from vlit.common.resolvers import accumulation, register_resolvers
from vlit.sweep.machine import preset

DOCUMENTED = sorted({command for page in PAGES for command in commands(page)})
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
HYDRA_OPTIONS = {"--help", "-m"}  # and --cfg with what it shows


def words_of(command: str) -> list[str]:
    """Split a command line, without its comment and the variables set before it."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0], re.DOTALL):
        words = words[1:]
    return words


def script_of(words: list[str]) -> tuple[Path, list[str]]:
    """Return the file that a python command runs, and its arguments."""
    if words[1] != "-m":
        return ROOT / words[1], words[2:]
    spec = find_spec(words[2])
    assert spec is not None and spec.origin is not None, f"no module {words[2]}"
    main = Path(spec.origin).with_name("__main__.py")
    return main if spec.submodule_search_locations else Path(spec.origin), words[3:]


def entry_of(script: Path) -> tuple[str, dict[str, str]] | None:
    """Return configuration and short group names of a command's `@entry(...)`; None if the script has none."""
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "entry":
            groups = next((ast.literal_eval(one.value) for one in node.keywords if one.arg == "groups"), {})
            return ast.literal_eval(node.args[0]), groups
    return None


def choices(overrides: list[str]) -> Iterator[list[str]]:
    """Yield overrides in which each sweep (`model=llava,blip2`) is one of its values, until each was used once."""
    values = []
    for override in OverridesParser.create().parse_overrides(overrides):
        swept = override.is_sweep_override()
        values.append(list(override.sweep_string_iterator()) if swept else [None])
    for number in range(max(map(len, values), default=1)):
        yield [
            text if some == [None] else f"{text.partition('=')[0]}={some[min(number, len(some) - 1)]}"
            for text, some in zip(overrides, values, strict=True)
        ]


def compose_all(script: Path, arguments: list[str]) -> None:
    """Compose and resolve the configuration of a command as it stands in the documentation.

    Raises:
        HydraException: for a key or choice that does not exist.
    """
    found = entry_of(script)
    if found is None:  # a script without options
        assert not arguments, f"{script.name} takes no options"
        return
    config, groups = found
    if "--cfg" in arguments:
        place = arguments.index("--cfg")
        arguments = arguments[:place] + arguments[place + 2 :]
    overrides = [argument for argument in arguments if argument not in HYDRA_OPTIONS]
    named = [
        f"{groups[name]}={choice}" if equals and name in groups else override
        for override in overrides
        for name, equals, choice in [override.partition("=")]
    ]
    register_resolvers({"accumulation": accumulation, "preset": preset})
    for chosen in choices(named):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose(config, chosen, return_hydra_config=True)
        cfg.hydra.runtime.cwd = str(ROOT)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        OmegaConf.resolve(cfg)


def check_make(words: list[str]) -> None:
    targets = [word for word in words[1:] if "=" not in word]
    assert set(targets) <= TARGETS, f"the Makefile has no target {sorted(set(targets) - TARGETS)}"
    settings = dict(word.split("=", 1) for word in words[1:] if "=" in word)
    assert set(settings) <= {"ARGS", "BUILD"}
    for argument in shlex.split(settings.get("ARGS", "")):
        assert not argument.startswith("tests") or (ROOT / argument).exists(), argument


def check(command: str) -> None:
    """Check one command of the documentation."""
    words = words_of(command)
    if words[0] == "python":
        script, arguments = script_of(words)
        assert script.is_file(), f"no file {script}"
        compose_all(script, arguments)
    elif words[0] == "make":
        check_make(words)
    elif words[0].startswith("experiments/"):
        assert os.access(ROOT / words[0], os.X_OK), f"{words[0]} is no executable file"
        for name in re.findall(r"\b([A-Z_]+)=", command):
            assert f"{{{name}:" in (ROOT / words[0]).read_text(), f"{words[0]} reads no variable {name}"
    elif words[0] == "sbatch":
        assert any((ROOT / word).is_file() for word in words[1:])
    else:
        assert words[0] in {"export", "source", "pip", ".venv/bin/python"}, f"unknown command {command!r}"


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_documented_command_is_one_that_exists(command: str) -> None:
    check(command)


@pytest.mark.parametrize(
    "command",
    [
        "python train.py model=blip3",
        "python train.py tuning.max_stepz=1",
        "python -m vlit.construct.fetch dryrun=true",
        "python experiments/readme.py output=x",
        "python nothing.py",
        "make tea",
        "experiments/nothing.sh",
        "SEEDZ=1 experiments/study.sh",
        "rm -rf results",
    ],
)
def test_a_wrong_command_is_found(command: str) -> None:
    with pytest.raises((AssertionError, HydraException)):
        check(command)


# Run as they stand: they take seconds, need no network and leave the checkout as it is.
RUN = ("make help", "python train.py --help", "python train.py --cfg job")


@pytest.mark.parametrize("command", RUN)
def test_a_cheap_command_runs(command: str) -> None:
    assert command in DOCUMENTED
    words = [sys.executable if word == "python" else word for word in words_of(command)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 10


@pytest.mark.slow
def test_the_pipeline_of_the_pages_runs_on_a_tiny_world(cache: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    tiny = [*tiny_overrides(cache), f"paths.runs={runs}"]
    run = runs / "mini/blip2/ours_qc/seed0"
    scenes = ["source.prepare.0.spec.scenes=8", "source.prepare.0.spec.benchmark_groups=1", f"paths.root={tmp_path}"]
    for command, changed in {
        "python train.py model=blip2 data=ours_qc": [*tiny, "tuning.max_steps=2"],
        "python evaluate.py run=results/runs/mini/blip2/ours_qc/seed0 control=shuffled_images": [f"run={run}"],
        "python assess.py data=ours": tiny,
        "python curate.py data=ours": tiny,
        "python tables.py source=published": [f"output={tmp_path / 'tables'}"],
        "python construct.py source=world": scenes,
    }.items():
        assert command in DOCUMENTED
        named = {one.partition("=")[0] for one in changed}
        words = [word for word in words_of(command)[1:] if word.partition("=")[0] not in named]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(
            [sys.executable, *words, *changed], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"
    for written in ("result.json", "evaluations/SEED-Bench-ranking_mean-shuffled_images-*/result.json"):
        assert list(run.glob(written))
    for written in ("runs/mini/quality/ours/quality.json", "tables/audit.md", "cache/construct/world/global.json"):
        assert (tmp_path / written).exists()
    assert list(cache.glob("quality/ours/kept_ids.json"))
