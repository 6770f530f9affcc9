"""How every command starts: compose the configuration, run, and say what is wrong in one line.

Only Hydra is imported here, so that `--help` and a misspelt override answer at once.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

import vlit.global_batch  # noqa: F401  (the configuration computes with it)
from vlit.command_help import command_help
from vlit.errors import InputError


def entry(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a function of a configuration a command: `conf/` beside its file, errors of the user in one line.

    Exit status: 0 done, 1 bad input or configuration, 130 interrupted. A bug keeps its traceback.
    """

    def decorate(task: Callable[[DictConfig], None]) -> Callable[[], None]:
        configurations = Path(inspect.getfile(task)).resolve().parent / "conf"

        @functools.wraps(task)
        def reporting(cfg: DictConfig) -> None:
            try:
                task(cfg)
            except (InputError, InstantiationException, OmegaConfBaseException) as error:
                message = one_line(error)
                if message is None or HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise  # a bug keeps its traceback; a sweep decides itself what a failed job means
                sys.exit(f"error: {message}")

        @functools.wraps(task)
        def command() -> None:
            if {"--help", "-h"} & set(sys.argv[1:]):
                print(command_help(inspect.getmodule(task).__doc__ or "", configurations, config_name))
                return
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let errors reach us instead of Hydra's own printing
            try:
                hydra.main(version_base="1.3", config_path=str(configurations), config_name=config_name)(reporting)()
            except (InputError, HydraException, OmegaConfBaseException) as error:
                message = one_line(error)
                if message is None:
                    raise
                sys.exit(f"error: {message}")
            except KeyboardInterrupt:
                _interrupted()
            except SystemExit as stop:
                if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning shuts down, then exits with 1
                    _interrupted()
                raise

        return command

    return decorate


def _interrupted() -> NoReturn:
    print("interrupted: the same command goes on from here", file=sys.stderr)
    sys.exit(130)


def one_line(error: BaseException) -> str | None:
    """What is wrong with the input, or None if the error is ours."""
    if isinstance(error, InstantiationException):  # wraps what the instantiated object raised
        return str(error.__cause__) if isinstance(error.__cause__, InputError) else None
    if isinstance(error, InputError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    told, hint, _ = str(error).partition("To append to your config use")
    mend = " No command reads such a key: check its spelling." if hint else ""  # Hydra proposes to add it all the same
    return " ".join(told.split()) + mend
