"""Hydra's launchers of this project: what `python train.py -m seed=0,1,2` starts its jobs with.

`LocalLauncher` (`hydra/launcher=local`, the default) runs each job as a process of its own, through the same runner as
`sweep.py launch=local`. A process per run, because all memory of a run is free when it ends, a crash or the kernel's
out-of-memory killer takes one run and not the sweep, and no state (seeds, threads, logging) passes from one run to the
next. Hydra's own launcher runs all jobs in one process one after the other; hydra-joblib-launcher in pools of
processes that are reused, fixed in number whatever memory and GPUs there are, and it is one more library to start
processes next to the runner that `sweep.py` needs in any case.

`ArrayLauncher` (`hydra/launcher=submitit_slurm`) is submitit's, and names the jobs that failed.

Hydra finds this file by its namespace package and imports it with every command, so it imports the rest when it runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from omegaconf import DictConfig

# Of Hydra's options those that concern the sweep, not its jobs.
OF_THE_SWEEP = ("hydra.mode", "hydra/launcher", "hydra.launcher", "hydra/sweeper", "hydra.sweeper", "hydra.sweep.")


# A mapping, as Hydra imports this file in a way in which a dataclass cannot be defined.
LOCAL = {"_target_": "hydra_plugins.vlit_launcher.LocalLauncher", "at_once": None}
ConfigStore.instance().store(group="hydra/launcher", name="local", node=LOCAL, provider="vlit")


class LocalLauncher(Launcher):
    """Runs the jobs of a multirun as processes: as many at once as fit this machine, one bar, a log per job.

    Args:
        at_once: most jobs at a time; null: as many as cores, memory and GPUs fit, by the presets of `conf/slurm`.
    """

    def __init__(self, at_once: int | None = None) -> None:
        self.at_once = at_once
        self.config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the configuration of the sweep; jobs start from the command line and need no more."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs.

        Args:
            job_overrides: overrides of each job.
            initial_job_idx: number of the first one.

        Raises:
            InputError: naming the jobs that failed, when all have ended.
        """
        from vlit.common.errors import InputError
        from vlit.sweep.local import LocalJob, run_jobs
        from vlit.sweep.machine import presets_of, resources_of, shares, this_machine

        assert self.config is not None
        hydra = self.config.hydra
        names = job_names(job_overrides)
        jobs, takes = [], []
        for number, (name, overrides) in enumerate(zip(names, job_overrides, strict=True), start=initial_job_idx):
            folder = Path(hydra.sweep.dir) / str(number)
            (folder / "job.log").unlink(missing_ok=True)
            script = [sys.argv[0], *_options(hydra), *overrides]
            jobs.append(LocalJob(name, [script], folder / "job.log", folder / "outcome.json"))
            chosen = dict(override.partition("=")[::2] for override in overrides)
            scale, model = (chosen.get(key, hydra.runtime.choices.get(key)) for key in ("scale", "model"))
            kind = model if hydra.job.config_name == "train" else hydra.job.config_name
            takes.append(resources_of(presets_of(scale or "mini"), kind))
        divided = shares(takes, this_machine(), self.at_once)
        print(f"{len(divided)} at once, {divided[0].threads} threads each; their logs are in {hydra.sweep.dir}")
        failed = run_jobs(jobs, divided, Path.cwd(), "run")
        if failed:
            raise InputError(f"{len(failed)} of {len(jobs)} jobs failed: {'; '.join(failed)}")
        return [JobReturn(overrides=list(each), status=JobStatus.COMPLETED) for each in job_overrides]


class ArrayLauncher(SlurmLauncher):
    """Runs the jobs of a multirun as one SLURM array, through submitit, and waits for them."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit the jobs and wait.

        Raises:
            InputError: naming the jobs that failed, when all have ended.
        """
        from vlit.common.errors import InputError, reason

        returned = super().launch(job_overrides, initial_job_idx)
        failed = [
            f"{name}: {reason(job._return_value)}"
            for name, job in zip(job_names(job_overrides), returned, strict=True)
            if job.status == JobStatus.FAILED
        ]
        if failed:
            raise InputError(f"{len(failed)} of {len(returned)} jobs failed: {'; '.join(failed)}")
        return returned


def job_names(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each job: its overrides that not all jobs share, or of a single job all."""
    shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    return [" ".join(override for override in overrides if override not in shared) for overrides in job_overrides]


def _options(hydra: DictConfig) -> list[str]:
    """Return the options with which a job finds the same configuration as the sweep."""
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    return [
        f"--config-name={hydra.job.config_name}",
        *(f"--config-dir={folder}" for folder in folders),
        *(override for override in hydra.overrides.hydra if not override.startswith(OF_THE_SWEEP)),
    ]
