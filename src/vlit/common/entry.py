"""How every command starts: compose the configuration, prepare, run, and report what is wrong in one line.

Only Hydra is imported here, so that `--help` and a misspelt override answer at once.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.errors import InputError, one_line, reason
from vlit.common.files import locked, write_json
from vlit.common.processes import INTERRUPTED, TERMINATED, Terminated, end_by_sigterm, end_with_parent
from vlit.common.resolvers import register_resolvers
from vlit.common.settings import check

OUTCOME = "VLIT_OUTCOME"  # environment variable: file in which a command leaves how it ended, for what started it


def entry(
    config_name: str,
    resolvers: Mapping[str, Callable[..., Any]] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a function of a configuration a command, which reports errors of the user in one line.

    Its configuration is in the next `conf/` above its file.

    Exit status: 0 done, 1 bad input or configuration, 130 interrupted, 143 ended by SIGTERM. A bug keeps its traceback.

    Args:
        config_name: the command's configuration in `conf/`.
        resolvers: functions that this configuration calls, by name (`vlit.common.resolvers`).
        groups: groups of this command that have a short name, by that name: what is a group of one command may be a
            plain key of another (`source`).
    """

    def decorate(task: Callable[[DictConfig], None]) -> Callable[[], None]:
        script = Path(inspect.getfile(task)).resolve()
        configurations = next(folder / "conf" for folder in script.parents if (folder / "conf").is_dir())

        @functools.wraps(task)
        def reporting(cfg: DictConfig) -> None:
            try:
                check(cfg, config_name)
                task(cfg)
            except BrokenPipeError:
                _unread()
            except Exception as error:
                message = one_line(error)
                if message is None or HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise  # a bug keeps its traceback; a launcher collects the errors of its jobs
                sys.exit(f"error: {message}")

        @functools.wraps(task)
        def command() -> None:
            if {"--help", "-h"} & set(sys.argv[1:]):
                if hasattr(signal, "SIGPIPE"):
                    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `--help | head` ends without a traceback
                print(command_help(inspect.getmodule(task).__doc__ or "", configurations, config_name))
                return
            # Before torch is imported: threads that wait by spinning make a busy machine twenty times slower.
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let errors reach us instead of Hydra's own printing
            end_by_sigterm()
            end_with_parent()
            outcome = os.environ.pop(OUTCOME, None)  # this process's own: what it starts must not write there
            register_resolvers(resolvers or {})
            sys.argv[1:] = [_whole_name(argument, groups or {}) for argument in sys.argv[1:]]
            try:
                hydra.main(version_base="1.3", config_path=str(configurations), config_name=config_name)(reporting)()
            except Exception as error:
                _leave(outcome, reason(error))
                message = one_line(error)
                if message is None:
                    raise
                sys.exit(f"error: {message}")
            except KeyboardInterrupt:
                _interrupted()
            except Terminated:
                _terminated()
            except SystemExit as stop:
                if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning shuts down, then exits with 1
                    _interrupted()
                if isinstance(stop.__context__, Terminated):
                    _terminated()
                if isinstance(stop.code, str):
                    _leave(outcome, stop.code.removeprefix("error: "))
                raise
            _leave(outcome, None)

        return command

    return decorate


def _leave(outcome: str | None, error: str | None) -> None:
    """Write what went wrong, or None, to the file of `OUTCOME`. Killed or interrupted commands write nothing."""
    if outcome is not None:
        with suppress(InputError):  # a disk that is full cannot store it; the exit status remains
            write_json(Path(outcome), {"error": error})


def _whole_name(argument: str, groups: Mapping[str, str]) -> str:
    """Replace the short name of a group at the beginning of an override."""
    name, equals, choice = argument.partition("=")
    return f"{groups[name]}={choice}" if equals and name in groups else argument


def _interrupted() -> NoReturn:
    print("interrupted: the same command resumes from here", file=sys.stderr)
    sys.exit(INTERRUPTED)


def _unread() -> NoReturn:
    """End where what reads our output has enough: `status.py | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def _terminated() -> NoReturn:
    print("ended by SIGTERM: the same command resumes from here", file=sys.stderr)
    sys.exit(TERMINATED)


WIDTH = 120  # characters of a line


def command_help(about: str, configurations: Path, config_name: str) -> str:
    """Return the text of `--help`.

    Args:
        about: docstring of the command's file.
        configurations: the `conf` folder.
        config_name: name of the command's configuration in it, without suffix.
    """
    main = (configurations / f"{config_name}.yaml").read_text(encoding="utf-8")
    chosen = groups(configurations, config_name)
    listed = [line for folder, default in chosen.items() for line in _listing(folder, default)]
    parts = [
        about.strip(),
        "Choices (group=name; * is the default):\n" + "\n".join(listed) if listed else "",
        f"Configuration (key=value changes it; conf/{config_name}.yaml):\n{main.strip()}",
        "`--cfg job` shows all of it with every choice made, `--hydra-help` Hydra's own options.",
    ]
    return "\n\n".join(part for part in parts if part)


def groups(configurations: Path, config_name: str) -> dict[Path, str | None]:
    """Return the groups a command chooses from, each with the name of its default choice, in the order of its file.

    A group that another choice selects (`tuning: ${scale}/${model}`) is left out: it is no choice of the user's.
    """
    found: dict[Path, str | None] = {}
    for group, chosen in _defaults(configurations / f"{config_name}.yaml"):
        folder = configurations / group
        if folder.is_dir() and folder not in found and "${" not in str(chosen or ""):
            found[folder] = chosen
        elif folder.is_dir() and "/" not in str(chosen):
            found.setdefault(folder, None)  # the default follows another choice, but can be overridden
    return found


def _defaults(file: Path) -> Iterator[tuple[str, str | None]]:
    content: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    for entry in content.get("defaults", []):
        if isinstance(entry, Mapping):
            for key, chosen in entry.items():
                group = str(key).removeprefix("optional ").removeprefix("override ").partition("@")[0].strip("/ ")
                if group and not str(key).startswith("override"):
                    yield group, chosen


def _listing(folder: Path, chosen: str | None) -> Iterator[str]:
    yield f"  {folder.name}"
    for file in sorted(folder.glob("*.yaml")):
        mark = "*" if file.stem == chosen else " "
        yield f"    {mark} {file.stem:<22} {textwrap.shorten(_first_sentence(file), WIDTH - 29, placeholder=' ...')}"


def _first_sentence(file: Path) -> str:
    """Return the first sentence of the comment a file begins with."""
    lines = file.read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    text = " ".join(line.removeprefix("#").strip() for line in comment if not line.startswith("# @package"))
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0]


def prepare(cfg: DictConfig, folder: str | None = None) -> None:
    """Make missing weights and datasets: the scale's `prepare` steps, and the dose where that is the dataset.

    Commands that start together, as in a sweep, wait for the first to make them.

    Args:
        cfg: the configuration.
        folder: make this folder only; None makes all.
    """
    steps = [*cfg.prepare, *([cfg.dose] if "dose" in cfg else [])]
    steps = [step for step in steps if folder is None or step.folder == folder]
    if steps:
        with locked(Path(cfg.paths.cache) / "preparing.lock"):
            for step in steps:
                instantiate(step)
