"""What many tests need once: the shipped weights unpacked, a tiny world, its datasets, and the three families."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

import vlit.common.torchvision_shim  # noqa: F401  (before any test imports torchvision)

ROOT = Path(__file__).resolve().parents[1]
FAMILIES = tuple(sorted(path.stem for path in (ROOT / "conf" / "model").glob("*.yaml")))
DATASETS = ("llava", "mimic_it", "ours", "ours_qc")

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `paths.cache` in which the mini scale's `prepare` has run, with a world of 90 scenes and 36 questions."""
    from vlit.mini.datasets.build import MiniDatasetSpec, MiniDatasetsSpec, build_mini_datasets
    from vlit.mini.weights import unpack
    from vlit.mini.world.build import WorldSpec, build_world

    folder = tmp_path_factory.mktemp("cache")
    unpack(str(ROOT / "weights" / "mini"), str(folder / "weights"))
    build_world(WorldSpec(scenes=90, benchmark_groups=1), folder / "world")
    spec = MiniDatasetSpec(60, 0.2)
    build_mini_datasets(folder / "world", MiniDatasetsSpec(llava=spec, mimic_it=spec, ours=spec), folder / "data")
    return folder


def tiny_overrides(cache: Path) -> list[str]:
    """Overrides that make `prepare` find what the `cache` fixture made."""
    sizes = [f"prepare.2.spec.{name}.{key}" for name in ("llava", "mimic_it", "ours") for key in ("samples",)]
    rates = [f"prepare.2.spec.{name}.error_rate=0.2" for name in ("llava", "mimic_it", "ours")]
    return [
        f"paths.cache={cache}",
        "prepare.1.spec.scenes=90",
        "prepare.1.spec.benchmark_groups=1",
        *[f"{size}=60" for size in sizes],
        *rates,
    ]


def kill_in_training(command: list[str], metrics: Path, steps: int) -> None:
    """Start a command and kill it with SIGKILL, and all it has started, once `metrics` has so many steps."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= steps):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not metrics.with_name("result.json").exists()


@pytest.fixture(scope="session")
def compose(cache: Path):
    """`compose(overrides)`: the configuration of `train.py` at mini scale on the tiny world."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import open_dict

    from vlit.common.resolvers import accumulation, register_resolvers

    register_resolvers({"accumulation": accumulation})

    def made(*overrides: str, config: str = "train", tiny: bool = True):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = hydra_compose(
                config, [*(tiny_overrides(cache) if tiny else []), *overrides], return_hydra_config=True
            )
        cfg.hydra.runtime.cwd = str(ROOT)
        HydraConfig.instance().set_config(cfg)
        with open_dict(cfg):
            del cfg["hydra"]
        return cfg

    return made


@pytest.fixture(scope="session")
def family(compose):
    """`family(name)`: a freshly built mini model with its configuration and encoder."""
    from vlit.tuning import setup

    def built(name: str):
        cfg = compose(f"model={name}")
        model = setup.model(cfg)
        return cfg, model, setup.encoder(cfg, model)

    return built
