"""What goes to a terminal, a table or a cache shows the text of others, and does nothing else."""

from __future__ import annotations

import base64
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlit.analysis.table import Table, as_csv, as_markdown
from vlit.common.errors import InputError, PrintableFormatter, one_line, reason
from vlit.llm.secrets import MARK, SHORTEST, Scrubber

KEY = "sk-proj-Ab3+/x=9Zq_77kLmNoP"
CLEARS = "\x1b[2J\x1b[1;1Hall done\rdone\n8 done\x07\u202e"


@pytest.mark.parametrize(
    "text",
    [KEY, f"Bearer {KEY}", quote(KEY, safe=""), KEY[:12] + "...", "..." + KEY[-10:], KEY.upper(),
     base64.b64encode(KEY.encode()).decode(), base64.b64encode(f"x:{KEY}".encode()).decode(), f"{KEY}{KEY}"],
)  # fmt: skip
def test_a_key_is_taken_out_whole_in_part_and_in_other_spellings(text: str) -> None:
    cleaned = Scrubber(KEY)(f"incorrect key {text} was given")
    assert cleaned.startswith("incorrect key ") and MARK in cleaned and cleaned.endswith(" was given")
    assert not any(KEY[at : at + SHORTEST].lower() in cleaned.lower() for at in range(len(KEY) - SHORTEST + 1))


@given(st.text(max_size=60), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=40))
def test_other_text_stays_as_it_is(text: str, key: str) -> None:
    shared = any(key[at : at + SHORTEST].lower() in text.lower() for at in range(len(key)))
    if not shared and not any(part in text for part in (quote(key)[:SHORTEST],)):
        encoded = base64.b64encode(key.encode()).decode()
        if not any(encoded[at : at + SHORTEST].lower() in text.lower() for at in range(len(encoded))):
            assert MARK in text or MARK not in Scrubber(key)(text) or len(text) >= SHORTEST
    assert Scrubber(key)(f"<{key}>") == f"<{MARK}>"


def test_a_word_for_a_local_server_is_no_secret() -> None:
    assert Scrubber("none")("none of them") == "none of them"
    assert KEY not in repr(Scrubber(KEY))


def test_lines_of_the_log_and_errors_steer_no_terminal() -> None:
    record = logging.LogRecord("vlit", logging.INFO, "", 0, "%s: read", (CLEARS.replace("\n", ""),), None)
    assert PrintableFormatter("%(message)s").format(record).isprintable()
    for error in (InputError(CLEARS), ValueError(CLEARS)):
        assert reason(error).isprintable()
    line = one_line(InputError(CLEARS))
    assert line is not None and line.isprintable()


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(cell: str) -> None:
    assert as_csv(Table("t", "T", ["a"], [[cell]])).splitlines()[1].strip('"').startswith("'")


@pytest.mark.parametrize("cell", ["-1.5", "+2", "-0.0", "1e-3", "–", "a=b", "-inf"])
def test_numbers_and_words_stay(cell: str) -> None:
    assert as_csv(Table("t", "T", ["a"], [[cell]])) == f"a\n{cell}\n"


def test_markdown_shows_html_and_line_breaks_as_text() -> None:
    text = as_markdown(Table("t", "T", ["a\nb"], [["<img src=x onerror=alert(1)>\n| x | y |"], ["p < 0.001"]]))
    assert "<img" not in text and "p < 0.001" in text
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "| a b |", "| --- |", r"| &lt;img src=x onerror=alert(1)> \| x \| y \| |", "| p < 0.001 |",
    ]  # fmt: skip
