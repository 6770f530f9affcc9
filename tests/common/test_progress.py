"""Progress where the output is no terminal: few lines, with rate and time left."""

from __future__ import annotations

import logging

import pytest

from vlit.common import progress as module
from vlit.common.progress import line, progress


def test_a_line_says_how_far_how_fast_and_how_long() -> None:
    assert line("encoding", "sample", 50_000, 158_000, 50) == (
        "encoding: 50,000 of 158,000 samples (32%), 1,000 a second, 2 min left"
    )
    assert line("encoding", "sample", 9, 10, 9) == "encoding: 9 of 10 samples (90%), 1 a second, 1 s left"
    assert line("reading", "row", 6, None, 2) == "reading: 6 rows, 3 a second"


def test_short_work_leaves_no_line_and_long_work_few(caplog, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO)
    assert list(progress(range(5), "counting", "number")) == [0, 1, 2, 3, 4]
    assert caplog.records == []
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    assert len(list(progress(iter(range(12)), "counting", "number", 12))) == 12
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "counting: 3 of 12 numbers (25%)", "counting: 6 of 12 numbers (50%)", "counting: 9 of 12 numbers (75%)",
        "counting: 12 of 12 numbers (100%)",
    ]  # fmt: skip
