"""How every command starts: compose the configuration, run, and report what is wrong in one line.

Only Hydra is imported here, so that `--help` and a misspelt override answer at once.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vlit.common.errors import InputError, one_line, reason
from vlit.common.files import write_json
from vlit.common.help import command_help
from vlit.common.resolvers import register_resolvers

OUTCOME = "VLIT_OUTCOME"  # environment variable: file in which a command leaves how it ended, for what started it


def entry(
    config_name: str,
    resolvers: Mapping[str, Callable[..., Any]] | None = None,
    groups: Mapping[str, str] | None = None,
) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a function of a configuration a command, which reports errors of the user in one line.

    Its configuration is in the next `conf/` above its file.

    Exit status: 0 done, 1 bad input or configuration, 130 interrupted. A bug keeps its traceback.

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
                task(cfg)
            except (InputError, InstantiationException, OmegaConfBaseException) as error:
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
            except SystemExit as stop:
                if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning shuts down, then exits with 1
                    _interrupted()
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
    sys.exit(130)
