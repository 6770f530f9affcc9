"""The folder of a run: its deterministic name, the names of its files, and what may start in it."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl, write_json, write_text
from vlit.runs import owner
from vlit.runs.owner import is_first_process

RESULT = "result.json"
PREDICTIONS = "predictions.jsonl"
PROVENANCE = "provenance.json"
EVALUATIONS = "evaluations"


@dataclass(frozen=True)
class RunFolder:
    """`results/runs/{scale}/{model}/{data}/seed{seed}/`: no timestamp, so that a requeued run finds its own.

    A run with a whole `result.json` is done.
    """

    path: Path

    @property
    def result(self) -> Path:
        """Accuracies; written last, whole or not at all."""
        return self.path / RESULT

    @property
    def predictions(self) -> Path:
        """One line per benchmark question."""
        return self.path / PREDICTIONS

    @property
    def provenance(self) -> Path:
        """Where the numbers come from."""
        return self.path / PROVENANCE

    @property
    def rejects(self) -> Path:
        """Samples that were set aside, with reasons."""
        return self.path / "rejects.jsonl"

    @property
    def benchmark_rejects(self) -> Path:
        """Questions that are not scored, with reasons."""
        return self.path / "benchmark_rejects.jsonl"

    @property
    def metrics(self) -> Path:
        """One line per optimiser step."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        """The trained parameters and all that resuming needs."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def evaluations(self) -> Path:
        """Further measurements of the run by `evaluate.py`, a folder each."""
        return self.path / EVALUATIONS

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def failure(self) -> Path:
        """Why the last start failed; removed when the next one trains."""
        return self.path / "failure.json"

    @property
    def done(self) -> bool:
        """Whether the run has its result, whole."""
        return self.result.exists() and self.fault() is None

    def fault(self, verify: bool = False) -> str | None:
        """Return what is wrong with an existing result, or None; one that is absent has no fault.

        Args:
            verify: also compare it with the predictions, which takes milliseconds.
        """
        if not self.result.exists():
            return None
        try:
            found = read_json(self.result)
            accuracies, counts = dict(found["accuracy"]), dict(found["counts"])
            overall = counts["Overall"]
        except (InputError, OSError, KeyError, TypeError, ValueError) as error:
            why = str(error) if isinstance(error, InputError) else f"{self.result} lacks {error}"
            return f"{why}; remove it, and train.py scores the run again"
        if not verify:
            return None
        try:
            rows = read_jsonl(self.predictions)
            right = [row["dimension"] for row in rows if row["prediction"] == row["answer"]]
        except (InputError, OSError, KeyError, TypeError) as error:
            return f"{self.predictions} is broken ({error}); remove it and {self.result}, and train.py scores again"
        shares = {"Overall": 100 * len(right) / max(len(rows), 1)}
        asked = Counter(row["dimension"] for row in rows)
        shares |= {name: 100 * right.count(name) / number for name, number in asked.items()}
        differs = [name for name, share in shares.items() if abs((accuracies.get(name) or 0.0) - share) > 1e-6]
        if len(rows) != overall or differs:
            what = f"{len(rows)} rows for {overall} questions" if len(rows) != overall else f"another {differs[0]}"
            return f"{self.predictions} does not give {self.result} ({what}); remove both, and train.py scores again"
        return None

    def begin(self, config: str, force: bool) -> bool:
        """Prepare the folder; return False when the run is done already.

        An unfinished run is resumed only under the configuration it began with, but for the benchmark.

        Args:
            config: the resolved configuration, as `resolved` returns it.
            force: whether to put aside what an earlier run left, until this one has begun to train.

        Raises:
            InputError: if the folder contains a run of another configuration or on another benchmark, files of
                somebody else, or a broken result.
        """
        if force and not is_first_process():
            return True  # the first process is at work in the folder, whatever was there before
        if force and self.path.exists():
            self._set_aside()
        self._check_began_with(config)
        if (fault := self.fault(verify=True)) is not None:
            raise InputError(fault)
        if self.done:
            return False
        if is_first_process():
            write_text(self.config, config)
        return True

    def _check_began_with(self, config: str) -> None:
        """Compare a configuration with the one in the folder, if there is one.

        Raises:
            InputError: if that is damaged, tunes otherwise, or its result is of another benchmark.
        """
        if not self.config.exists():
            return
        try:
            text = self.config.read_text(encoding="utf-8")
            if text == config:
                return
            before = yaml.safe_load(text)
        except (UnicodeDecodeError, yaml.YAMLError):
            before = None
        if not isinstance(before, dict):
            raise InputError(f"{self.config} is damaged: put it back, or add force=true to start the run again")
        after, changed = yaml.safe_load(config), _first_difference(text, config)
        if _tuned(before) != _tuned(after):
            raise InputError(
                f"{self.path} holds a run with another configuration ({changed}): add force=true to start it again from"
                " the beginning, or set paths.runs to another folder"
            )
        if self.result.exists() and _scored(before) != _scored(after):
            raise InputError(
                f"{self.path} is done, on another benchmark ({changed}): python evaluate.py"
                f" run={self.path} benchmark=FILE scores it on one more"
            )

    @property
    def _aside(self) -> Path:
        return self.path / "earlier"

    def _entries(self) -> list[Path]:
        """Return what belongs to a run: all but the lock, which this process holds, and what is set aside."""
        return [entry for entry in self.path.iterdir() if entry.name not in (owner.NAME, self._aside.name)]

    def _set_aside(self) -> None:
        """Move an earlier run to `earlier/`.

        Raises:
            InputError: if the folder has files and is no run's: those are somebody else's.
        """
        entries = self._entries()
        if entries and not (self.config.is_file() or self.failure.is_file()):
            raise InputError(
                f"{self.path} is no folder of a run (it has no {self.config.name}): force=true removes only runs; name"
                " another run_folder"
            )
        if not self._aside.exists():  # else the start before was killed: what it had set aside is the whole run
            self._aside.mkdir()
            for entry in entries:
                entry.rename(self._aside / entry.name)
        else:
            _remove(entries)

    def forget_earlier(self) -> None:
        """Remove the run that was set aside: this one has its inputs, and trains."""
        if is_first_process() and self._aside.is_dir():
            shutil.rmtree(self._aside)

    def restore(self) -> bool:
        """Put back the run that was set aside, if this one failed before it trained; return whether there was one."""
        if not (is_first_process() and self._aside.is_dir()):
            return False
        _remove(self._entries())
        for entry in self._aside.iterdir():
            entry.rename(self.path / entry.name)
        self._aside.rmdir()
        return True

    def record_start(
        self,
        data_fingerprint: str,
        weights_fingerprint: str,
        hardware: Mapping[str, Any],
        curation: Mapping[str, Any] | None = None,
        exif: bool = True,
    ) -> None:
        """Write `provenance.json`, in which a resumed run keeps its first start, and remove `failure.json`.

        Args:
            data_fingerprint: fingerprint of the samples tuned on.
            weights_fingerprint: fingerprint of the files the model was built from.
            hardware: what the run runs on.
            curation: rules and digest of the curated list they were drawn from, or None.
            exif: whether the EXIF orientation of photographs is applied.

        Raises:
            InputError: if the folder has a checkpoint that began with other data or weights.
        """
        if not is_first_process():
            return
        earlier = read_json(self.provenance) if self.provenance.exists() else {}
        for what, now_is in (("data", data_fingerprint), ("weights", weights_fingerprint)):
            began = earlier.get(f"{what}_fingerprint")
            if self.checkpoint.exists() and began not in (None, now_is):
                raise InputError(
                    f"{self.path} began with other {what} (fingerprint {began[:12]}, now {now_is[:12]}): put the {what}"
                    " back, or add force=true to start it again from the beginning"
                )
        self.failure.unlink(missing_ok=True)
        self.forget_earlier()
        fingerprints = {"data_fingerprint": data_fingerprint, "weights_fingerprint": weights_fingerprint}
        write_json(self.provenance, {**provenance(fingerprints, hardware, curation, earlier), "images": {"exif": exif}})

    def record_failure(self, reason: str) -> None:
        """Write `failure.json`, but not into a run that is done; of several processes the first one's reason counts."""
        if self.done:
            return
        if is_first_process() or not self.failure.exists():
            write_json(self.failure, {"reason": reason, "time": now(), "job": owner.slurm_job(), "commit": commit()})

    def record_end(self) -> None:
        """Add the time of the end to `provenance.json`."""
        if is_first_process():
            write_json(self.provenance, {**read_json(self.provenance), "end": now()})


def _remove(entries: Iterable[Path]) -> None:
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def resolved(cfg: DictConfig) -> str:
    """Return the configuration that a run's results depend on as YAML, with all interpolations resolved."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return OmegaConf.to_yaml(
        OmegaConf.create({key: value for key, value in plain.items() if key not in ("force", "plan")})
    )


def _tuned(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tuning depends on of a configuration: all but the benchmark, which may change until it is scored."""
    paths = {key: value for key, value in config.get("paths", {}).items() if key != "seed_bench"}
    return {**{key: value for key, value in config.items() if key != "benchmark"}, "paths": paths}


def _scored(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a result depends on of the benchmark's configuration, and not how fast it is scored."""
    benchmark = config.get("benchmark", {})
    scoring = {
        key: value for key, value in benchmark.get("scoring", {}).items() if key not in ("batch_size", "workers")
    }
    return {**benchmark, "scoring": scoring}


def _first_difference(old: str, new: str) -> str:
    for before, after in zip(old.splitlines(), new.splitlines(), strict=False):
        if before != after:
            return f"was `{before.strip()}`, now `{after.strip()}`"
    return "some lines are new or gone"


PACKAGES = (
    "hydra-core", "omegaconf", "torch", "lightning", "transformers", "peft", "open_clip_torch", "salesforce-lavis",
    "open-flamingo", "wandb", "scipy", "pingouin", "numpy",
)  # fmt: skip


def provenance(
    fingerprints: Mapping[str, str],
    hardware: Mapping[str, Any],
    curation: Mapping[str, Any] | None,
    earlier: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of `provenance.json` at the start of a run.

    Args:
        fingerprints: hashes of the samples and of the weights, by name.
        hardware: what the run runs on, without the name of the machine.
        curation: rules and digest of the curated list the samples were drawn from, or None.
        earlier: what an interrupted start wrote; its time stays the start, this one is appended to `resumed`. Empty
            for a new run.
    """
    return {
        "commit": commit(),
        "dirty": dirty(),
        "packages": {name: _version(name) for name in PACKAGES},
        **fingerprints,
        "curation": None if curation is None else dict(curation),
        "hardware": dict(hardware),
        "start": earlier.get("start", now()),
        "resumed": [*earlier.get("resumed", []), now()] if earlier else [],
        "end": None,
    }


def commit() -> str | None:
    """Return the commit of the code that runs, or None outside a checkout."""
    return _git_output("rev-parse", "HEAD")


def dirty() -> bool | None:
    """Return whether tracked files differ from that commit, or None outside a checkout."""
    changed = _git_output("status", "--porcelain", "--untracked-files=no")
    return None if changed is None else bool(changed)


def now() -> str:
    """Return the time in UTC, to the second, in ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _git_output(*arguments: str) -> str | None:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
