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

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vlit.errors import InputError


def entry(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a function of a configuration a command: `conf/` beside its file, errors of the user in one line.

    Exit status: 0 done, 1 bad input or configuration, 130 interrupted.
    """

    def decorate(task: Callable[[DictConfig], None]) -> Callable[[], None]:
        configurations = Path(inspect.getfile(task)).resolve().parent / "conf"

        @functools.wraps(task)
        def command() -> None:
            os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # let errors reach us instead of Hydra's own printing
            try:
                hydra.main(version_base="1.3", config_path=str(configurations), config_name=config_name)(task)()
            except InputError as error:
                sys.exit(f"error: {error}")
            except (HydraException, OmegaConfBaseException) as error:
                sys.exit(f"error: {_one_line(error)}")
            except KeyboardInterrupt:
                print("interrupted: the same command goes on from here", file=sys.stderr)
                sys.exit(130)

        return command

    return decorate


def _one_line(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(cause, InputError):  # raised inside an instantiated object
        return str(cause)
    text = " ".join(str(error).split())
    return text.replace("To append to your config use", "(to add a key that nothing reads would be an error too; Hydra:")
