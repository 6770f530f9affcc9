"""A damaged file of what was made once is found, named, and made again; a shipped one is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vlit.common.digest import SUMS, damage, is_whole, write_sums
from vlit.common.errors import InputError
from vlit.common.files import write_json
from vlit.mini.datasets.build import MiniDatasetSpec, MiniDatasetsSpec, build_mini_datasets
from vlit.mini.weights import unpack
from vlit.mini.world.build import WorldSpec, build_world

WORLD = WorldSpec(scenes=60, benchmark_groups=1)
DATASETS = MiniDatasetsSpec(*(MiniDatasetSpec(20, 0.2) for _ in range(3)))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def folder_in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = (cut, empty, flip, Path.unlink, folder_in_its_place)
RECORDS = ("world.json", "build.json", ".unpacked")


@pytest.mark.parametrize("harm", DAMAGE, ids=lambda harm: harm.__name__)
def test_every_kind_of_damage_is_found_and_named(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("a.json", "inner/b.bin"):
        (tmp_path / name).write_bytes(b"0123456789")
    write_sums(tmp_path)
    assert damage(tmp_path) is None
    (tmp_path / "inner/mine.txt").write_text("of the user")
    assert damage(tmp_path) is None
    harm(tmp_path / "inner/b.bin")
    assert (damage(tmp_path) or "").startswith(f"{tmp_path / 'inner/b.bin'} ")
    empty(tmp_path / SUMS)
    assert damage(tmp_path) == f"{tmp_path / SUMS} is empty"


def test_the_list_is_one_that_sha256sum_reads(tmp_path: Path) -> None:
    (tmp_path / "a b.json").write_text("1")
    write_sums(tmp_path)
    assert subprocess.run(["sha256sum", "-c", SUMS], cwd=tmp_path, capture_output=True).returncode == 0


def test_a_folder_made_from_something_else_is_not_called_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_json(tmp_path / "made.json", {"seed": 0, "further": 1})
    write_sums(tmp_path)
    assert is_whole(tmp_path, "made.json", {"seed": 0})
    assert not is_whole(tmp_path, "made.json", {"seed": 1})
    assert not caplog.records


@pytest.mark.parametrize("harm", DAMAGE, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize(
    "name",
    [
        "world/coco/train2014/COCO_train2014_000000000001.jpg", "world/seed_bench/SEED-Bench.json", "world/world.json",
        "data/ours/{}", "data/build.json", "weights/opt/model.safetensors", "weights/.unpacked",
    ],
)  # fmt: skip
def test_what_was_made_is_made_again(
    made: Path, name: str, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = made / name.format(next(one.name for one in sorted((made / "data/ours").iterdir())))
    kept = path.read_bytes()
    harm(path)
    if path.name in RECORDS and not path.is_file():
        with pytest.raises(InputError, match="exists and is no"):
            make(made)
        if path.is_dir():
            path.rmdir()
        path.write_bytes(kept)  # without its record nobody knows whose folder it is: that is refused
        return
    make(made)
    assert path.read_bytes() == kept
    if not (path.name in RECORDS and harm is flip):  # which may be the record of another folder
        assert "is made again" in caplog.text and str(path) in caplog.text
    caplog.clear()
    make(made)
    assert not caplog.records


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made"))


def make(folder: Path) -> Path:
    unpack(str(ROOT / "weights/mini"), str(folder / "weights"))
    build_world(WORLD, folder / "world")
    build_mini_datasets(folder / "world", DATASETS, folder / "data")
    return folder


def test_the_shipped_weights_are_what_their_list_says() -> None:
    assert damage(ROOT / "weights/mini") is None
    listed = {line.partition("  ")[2] for line in (ROOT / "weights/mini" / SUMS).read_text().splitlines()}
    shipped = {path.relative_to(ROOT / "weights/mini").as_posix() for path in (ROOT / "weights/mini").rglob("*.*")}
    assert listed == shipped - {"README.md"}
