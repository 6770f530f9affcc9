"""Folders replaced whole or not at all, and locks that end with their process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vlit.common.errors import InputError
from vlit.common.files import locked, replaced_folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def earlier(folder: Path) -> Path:
    folder.mkdir()
    (folder / "mark").write_text("1")
    (folder / "old").write_text("old")
    return folder


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = earlier(tmp_path / "out")
    with replaced_folder(folder, "mark") as fresh:
        assert list(fresh.iterdir()) == []
        assert contents(folder) == {"mark": "1", "old": "old"}  # readers see the old one until the end
        (fresh / "deep").mkdir()
        (fresh / "deep" / "new").write_text("new")
        (fresh / "mark").write_text("2")
    assert contents(folder) == {"mark": "2", "deep/new": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_new_folder_is_open_to_all_that_the_umask_admits(tmp_path: Path) -> None:
    with replaced_folder(tmp_path / "a" / "out"):
        pass
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "a" / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [InputError("broken"), KeyboardInterrupt(), ValueError()])
def test_a_failure_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    folder = earlier(tmp_path / "out")
    with pytest.raises(type(error)), replaced_folder(folder, "mark") as fresh:
        (fresh / "mark").write_text("2")
        raise error
    assert contents(folder) == {"mark": "1", "old": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_swap_that_fails_puts_the_earlier_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = earlier(tmp_path / "out")
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "fresh":
            raise OSError("the disk is gone")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="the disk is gone"), replaced_folder(folder, "mark"):
        pass
    assert contents(folder) == {"mark": "1", "old": "old"}


@pytest.mark.parametrize("marker", ["mark", None])
def test_what_no_earlier_output_is_stays(tmp_path: Path, marker: str | None) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    for mine in (tmp_path / "notes", tmp_path / "file"):
        with (
            pytest.raises(InputError, match=f"{mine.name} exists.*: name another") as refused,
            replaced_folder(mine, marker, what="build", mend="name another"),
        ):
            pytest.fail("nothing may be written")
        assert len(str(refused.value).splitlines()) == 1
    assert contents(tmp_path) == {"notes/mine": "keep", "file": "keep"}


def test_what_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(InputError, match="out exists"), replaced_folder(folder):
        folder.mkdir()
        (folder / "mine").write_text("keep")
    assert contents(folder) == {"mine": "keep"}


def test_the_faster_of_two_processes_wins(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with replaced_folder(folder, "mark", is_current=(folder / "mark").exists) as fresh:
        (fresh / "mark").write_text("slower")
        folder.mkdir()
        (folder / "mark").write_text("faster")
    assert contents(folder) == {"mark": "faster"}


def test_a_link_to_another_disk_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    earlier(tmp_path / "disk" / "data")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "data")
    with replaced_folder(tmp_path / "link", "mark") as fresh:
        (fresh / "mark").write_text("2")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "disk" / "data") == {"mark": "2"}


HOLD = """
import sys, time
from pathlib import Path
from vlit.common.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_lock_is_waited_for_and_ends_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "made.lock"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "locked\n"
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        process.send_signal(signal.SIGKILL)

    timer = threading.Timer(0.5, kill)
    timer.start()
    with locked(lock):
        assert killed and time.monotonic() >= killed[0]
    process.communicate()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_lock_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="free space there"), locked(tmp_path / "made.lock"):
        pass
