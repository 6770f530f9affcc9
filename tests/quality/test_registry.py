"""The registry: light to import, one spelling, and a new indicator that touches no file of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, tiny_overrides
from vlit.common.files import read_json, read_jsonl
from vlit.quality.indicators import INDICATORS, STAND_INS, VARIANTS
from vlit.quality.indicators.registry import BY_KEY, Indicator, mean_of, register

# A script that registers an indicator and then runs a command as a user runs it.
TOY = """
import runpy, sys
import pyarrow as pa
from vlit.quality.indicators import Indicator, register
from vlit.quality.indicators.registry import mean_of

class Words:
    name, key = "toy", "words"
    schema = pa.schema([("words", pa.float64())])

    def rows(self, samples):
        return [{"words": sum(len(turn.response.split()) for turn in sample.turns)} for sample in samples]

register(Indicator("toy", "Words of a sample", mean_of("words"), lambda instruments: Words(), distribution="words",
                   ranks_by="words"))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_names_can_be_read_without_a_model() -> None:
    code = (
        "import sys, vlit.quality.indicators\n"
        "print([name for name in ('torch', 'spacy', 'open_clip', 'transformers', 'openai') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_the_paper_has_eight_indicators_in_the_order_of_table_4_each_with_one_key() -> None:
    assert [one.key for one in INDICATORS] == ["MD", "C", "T", "I_div", "R", "OG", "I_cx", "Balance"]
    assert [one.row for one in INDICATORS if one.in_table_15] == ["MD", "TD", "ID", "RD", "OC", "IC", "Bal"]
    assert [(one.key, one.stand_in_for) for one in STAND_INS] == [("C_contrast", "C"), ("I_cx_rule", "I_cx")]
    assert [(one.key, one.variant_of) for one in VARIANTS] == [("I_forms", "I_div"), ("R_forms", "R")]
    assert [one.key for one in INDICATORS if not one.higher_is_better] == ["Balance"]
    for one in BY_KEY.values():
        assert one.source in BY_KEY and (one.statistic is None) == (one.source != one.key)
        assert one.stand_in_for is None or (BY_KEY[one.stand_in_for].symbol and not one.symbol)


def test_a_key_is_registered_once() -> None:
    with pytest.raises(ValueError, match="'MD' is registered already"):
        register(Indicator("MD", "another", mean_of("mean")))


@pytest.fixture(scope="module")
def toy(cache: Path, tmp_path_factory: pytest.TempPathFactory):
    """`toy(command, *overrides)`: run a command on the tiny world, with the toy indicator registered."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.py").write_text(TOY)

    def run(command: str, *overrides: str) -> Path:
        arguments = [*tiny_overrides(cache), f"paths.runs={folder}", f"quality.folder={folder / 'quality'}"]
        done = subprocess.run(
            [sys.executable, str(folder / "toy.py"), command, "data=ours", *arguments, *overrides],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return folder

    return run


def test_a_new_indicator_is_assessed_reported_and_ranked_by(toy) -> None:
    folder = toy("assess.py", "data_size=all")
    found = read_json(folder / "mini/quality/ours/quality.json")
    parts = sorted(folder.glob("quality/ours/statistics-*/toy-*/part-*.parquet"))
    words = {row["sample_id"]: row["words"] for part in parts for row in pq.read_table(part).to_pylist()}
    assert found["indicators"]["toy"] == pytest.approx(sum(words.values()) / len(words))
    assert list(found["indicators"])[:8] == [one.key for one in INDICATORS]
    page = (folder / "mini/quality/ours/report.html").read_text("utf-8")
    assert "toy: words by sample" in page and "Words of a sample" in page

    toy("curate.py", "quality.rank_by=[toy]", "quality.keep=0.5")
    kept = read_json(folder / "quality/ours/kept_ids.json")
    assert kept["rules"]["rank_by"] == ["toy"] and len(kept["ids"]) == round(0.5 * len(words))
    dropped = read_jsonl(folder / "quality/ours/rejects.jsonl")
    assert {row["reason"] for row in dropped} == {"toy below the threshold"}
    assert min(words[name] for name in kept["ids"]) >= max(words[row["sample_id"]] for row in dropped)
