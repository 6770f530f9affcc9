"""How every command starts: compose the configuration, run, and report what is wrong in one line.

Only Hydra is imported here, so that `--help` and a misspelt override answer at once.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

import vlit.common.resolvers
import vlit.sweep.machine  # noqa: F401  (the configuration computes with both)
from vlit.common.errors import InputError, one_line
from vlit.common.help import command_help
from vlit.sweep import multirun


def entry(config_name: str) -> Callable[[Callable[[DictConfig], None]], Callable[[], None]]:
    """Make a function of a configuration a command, which reports errors of the user in one line.

    Its configuration is in the next `conf/` above its file.

    Exit status: 0 done, 1 bad input or configuration, 130 interrupted. A bug keeps its traceback.
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
                    raise  # a bug keeps its traceback; a sweep goes on, and names what failed at its end
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
            try:
                hydra.main(version_base="1.3", config_path=str(configurations), config_name=config_name)(reporting)()
            except Exception as error:
                message = multirun.failures() or one_line(error)
                if message is None:
                    raise
                if one_line(error) is None:
                    traceback.print_exc()  # of the first job that failed
                sys.exit(f"error: {message}")
            except KeyboardInterrupt:
                _interrupted()
            except SystemExit as stop:
                if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning shuts down, then exits with 1
                    _interrupted()
                raise
            finally:
                multirun.close()

        return command

    return decorate


def _interrupted() -> NoReturn:
    print("interrupted: the same command goes on from here", file=sys.stderr)
    sys.exit(130)
