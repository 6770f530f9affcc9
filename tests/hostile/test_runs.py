"""A run folder that somebody sent: its configuration, checkpoint and owner are data, and nothing in them runs."""

from __future__ import annotations

import itertools
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf

from tests.conftest import ROOT
from vlit.common.errors import InputError
from vlit.construct.sources.attributes import ADMITTED, read_joblib
from vlit.evaluation.runs import score_run_again
from vlit.models.loading import load_float, read_checkpoint
from vlit.runs.owner import owned
from vlit.runs.upgrade import CALLED, LARGEST, read_config
from vlit.tuning import setup


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture
def run(compose, family, tmp_path: Path) -> Path:
    """A finished run on the tests' small world, as `train.py` leaves it."""
    cfg, model, _ = family("blip2")
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
    trained = {f"model.{key}": value for key, value in model.named_parameters() if value.requires_grad}
    torch.save({"state_dict": trained}, folder / "checkpoints" / "last.ckpt")
    return folder


def changed(run: Path, **values: object) -> dict:
    """The run's configuration with other values at dotted keys (`__` for a dot)."""
    config = OmegaConf.load(run / "config.yaml")
    for key, value in values.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    return OmegaConf.to_container(config)


def test_the_run_itself_is_scored(run: Path, compose) -> None:
    result = score_run_again(compose(f"run={run}", config="evaluate", tiny=False))
    assert json.loads(result.read_text())["counts"]["Overall"] == 36


TARGETS = ("vlit.sweep.slurm._asked", "pandas.read_pickle", "numpy.load", "builtins.open", "os.system", "pathlib.Path")
NODES = ("benchmark.scoring", "benchmark", "trainer", "trainer.strategy", "trainer.plugins.0", "model.build",
         "model.lora", "tuning.optimizer", "tuning", "data.read", "data", "quality", "prepare.0", "logger.loggers.0",
         "images")  # fmt: skip


@pytest.mark.parametrize("node", NODES)
def test_no_function_that_a_run_names_is_called(compose, tmp_path: Path, node: str) -> None:
    config: dict = OmegaConf.to_container(compose("model=blip2"), resolve=True)
    inner: dict | list = config
    for name in node.split("."):
        if isinstance(inner, list):
            inner = inner[int(name)]
            continue
        if not isinstance(inner.get(name), dict | list):
            inner[name] = [{}] if name in ("plugins", "loggers") else {}
        inner = inner[name]
    for target in TARGETS:
        inner["_target_"] = target
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        with pytest.raises(InputError, match=str(tmp_path / "config.yaml")) as refused:
            read_config(tmp_path / "config.yaml")
        assert "\n" not in str(refused.value)


def test_a_function_of_ours_is_called_in_no_other_place_than_its_own(run: Path) -> None:
    changed(run, benchmark__scoring___target_="vlit.mini.weights.unpack")
    with pytest.raises(InputError, match=r"only vlit\.evaluation\.evaluate\.Scoring is called there"):
        read_config(run / "config.yaml")


def test_what_is_called_is_what_the_present_configurations_name(compose) -> None:
    named = {}
    for overrides in (("model=llava",), ("model=llava", "scale=paper"), ("model=llava", "trainer=v100x8_sharded")):
        cfg = OmegaConf.to_container(compose(*overrides, tiny="scale=paper" not in overrides), resolve=False)
        for key in CALLED:
            node: object = cfg
            for name in key.split("."):
                node = node.get(name) if isinstance(node, dict) else None
            if isinstance(node, dict):
                named[key] = node["_target_"]
    assert named.items() <= CALLED.items() and {"benchmark.scoring", "trainer"} <= named.keys()


@pytest.mark.parametrize("secret", ["${oc.env:OPENAI_API_KEY}", "${oc.env:HOME}", "${seed}", "a ${oc.decode:b}"])
def test_an_interpolation_is_not_resolved(run: Path, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["model"]["label"] = secret
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match="refers to other values") as refused:
        read_config(run / "config.yaml")
    assert "sk-secret" not in str(refused.value)


def test_aliases_size_and_depth_are_bounded(run: Path) -> None:
    file = run / "config.yaml"
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in itertools.pairwise("abcdefghijk"))
    own = file.read_text()
    started = time.monotonic()
    for text, fault in [
        (bomb + own, "aliases"),
        (own + f"junk: {'x' * LARGEST}\n", "larger than"),
        (own + "junk: " + "[" * 20_000, "deeply nested"),
        (own + "junk: !!python/object/apply:os.system [true]\n", "not the configuration"),
        (own + "no_such_key: 1\n", "nothing reads this key"),
        ("\x00", "not the configuration"), ("model: 3\n", "not the configuration"), ("", "not the configuration"),
    ]:  # fmt: skip
        file.write_text(text)
        with pytest.raises(InputError, match=fault):
            read_config(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="can't be read"):
        read_config(file)
    assert time.monotonic() - started < 10


def test_a_checkpoint_with_code_runs_nothing_and_is_one_line(run: Path, compose, tmp_path: Path) -> None:
    checkpoint, marker = run / "checkpoints" / "last.ckpt", tmp_path / "ran"
    genuine = torch.load(checkpoint, weights_only=True)
    torch.save({**genuine, "callbacks": Payload(marker)}, checkpoint)
    with pytest.raises(InputError, match=r"last\.ckpt names code") as refused:
        score_run_again(compose(f"run={run}", config="evaluate", tiny=False))
    assert not marker.exists() and "\n" not in str(refused.value)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "list", "no state", "folder"])
def test_a_checkpoint_that_is_none_is_one_line(run: Path, compose, damage: str) -> None:
    checkpoint = run / "checkpoints" / "last.ckpt"
    content = checkpoint.read_bytes()
    checkpoint.unlink()
    if damage == "folder":
        checkpoint.mkdir()
    elif damage in ("list", "no state"):
        torch.save([1] if damage == "list" else {"epoch": 1}, checkpoint)
    else:
        lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        checkpoint.write_bytes({"cut": content[:-1000], "empty": b"", "text": lfs}[damage])
    with pytest.raises(InputError, match=r"last\.ckpt") as refused:
        score_run_again(compose(f"run={run}", config="evaluate", tiny=False))
    assert "\n" not in str(refused.value)


def test_a_judging_run_is_read_as_carefully(run: Path, compose, tmp_path: Path) -> None:
    cfg = compose("judge=family", f"judge.run={run}", config="assess")
    marker = tmp_path / "ran"
    torch.save({"state_dict": {}, "more": Payload(marker)}, run / "checkpoints" / "last.ckpt")
    with pytest.raises(InputError, match="names code"):
        setup.likelihood_judge(cfg, [])
    changed(run, trainer___target_="os.system")
    with pytest.raises(InputError, match=r"only lightning\.Trainer is called there"):
        setup.likelihood_judge(cfg, [])
    assert not marker.exists()


@pytest.mark.parametrize("name", ["projector.bin", "checkpoint.pt", "vision.pth", "model.safetensors"])
def test_weights_with_code_run_nothing(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch.save({"weight": Payload(marker)}, tmp_path / name)
    with pytest.raises(InputError, match=name):
        load_float(tmp_path / name)
    (tmp_path / name).write_bytes(pickle.dumps(Payload(marker)))
    with pytest.raises(InputError, match=name):
        load_float(tmp_path / name)
    assert not marker.exists()


def test_a_joblib_file_with_code_runs_nothing(tmp_path: Path) -> None:
    marker, file = tmp_path / "ran", tmp_path / "attributes.jbl"
    array = np.empty(1, dtype=object)
    array[0] = Payload(marker)
    for content in (Payload(marker), {"ann_vecs": Payload(marker)}, {"ann_vecs": array}):
        joblib.dump(content, file)
        with pytest.raises(ValueError, match="it names"):
            read_joblib(file)
    assert not marker.exists()
    assert not {name for module, name in ADMITTED if module in ("builtins", "os", "subprocess", "importlib")}


def test_a_joblib_file_that_lies_about_its_size_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "attributes.jbl"
    joblib.dump({"ann_vecs": np.arange(1000.0)}, file)
    content = file.read_bytes()
    for cut in range(1, len(content) - 1, 37):
        file.write_bytes(content[:cut])
        with pytest.raises(ValueError, match=r"."):
            read_joblib(file)
    file.write_bytes(b"\x80\x04B\xff\xff\xff\x7f")  # bytes of two gigabytes, of which none come
    with pytest.raises(ValueError, match="not a joblib file"):
        read_joblib(file)


def test_nothing_in_the_code_loads_a_pickle_unsafely() -> None:
    patterns = (
        "weights_only=False", "allow_pickle=True", "pickle.load(", "pickle.loads(", "read_pickle", "joblib.load(",
        "yaml.load(", "unsafe_load", "trust_remote_code=True", "eval(", "dill", "cloudpickle",
    )  # fmt: skip
    files = [*(ROOT / "src").rglob("*.py"), *ROOT.glob("*.py"), *(ROOT / "experiments").rglob("*.py")]
    found = [
        f"{file}: {pattern}" for file in files for line in file.read_text().splitlines() for pattern in patterns
        if pattern in line.replace(".eval(", "") and not line.strip().startswith("#")
    ]  # fmt: skip
    assert not found
    loads = [file.name for file in files for line in file.read_text().splitlines() if "= torch.load(" in line]
    assert loads == ["loading.py"]


def test_an_owner_that_is_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    target = tmp_path / "precious.txt"
    target.write_text("years of work")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "owner.json").symlink_to(target)
    with pytest.raises(InputError, match="is a link"), owned(tmp_path / "run"):
        pass
    assert target.read_text() == "years of work"


def test_evaluate_ends_with_one_line_and_status_1(run: Path) -> None:
    changed(run, benchmark__scoring___target_="os.system")
    ended = subprocess.run(
        [sys.executable, "evaluate.py", f"run={run}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1 and ended.stderr.count("\n") == 1 and ended.stderr.startswith("error: ")


def test_read_checkpoint_gives_the_tensors(run: Path) -> None:
    assert all(name.startswith("model.") for name in read_checkpoint(run / "checkpoints" / "last.ckpt"))
