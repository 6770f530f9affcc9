"""Statistics once a sample: shards give the files of one pass, kills lose nothing, faults are rows with reasons."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.quality.indicators.instruction_complexity import RuleComplexity
from vlit.quality.statistics import MeasureFault, Shard, StatisticsStore


def made(number: int) -> list[Sample]:
    return [
        Sample(f"s/{place}", (), (Turn(f"Why is thing {place} red and round?", "Because it is " + "very " * place),))
        for place in range(number)
    ]


class Lengths:
    """Counts letters; refuses samples whose response contains "refuse"; can stop in the middle."""

    name, key = "lengths", "1"
    schema = pa.schema([("letters", pa.int64())])

    def __init__(self, stops_after: int | None = None) -> None:
        self.stops_after, self.calls = stops_after, 0

    def rows(self, samples):
        self.calls += 1
        if self.stops_after is not None and self.calls > self.stops_after:
            raise KeyboardInterrupt
        return [
            MeasureFault("refused") if "refuse" in sample.turns[0].response
            else {"letters": len(sample.turns[0].response)}
            for sample in samples
        ]  # fmt: skip


def files(store: StatisticsStore) -> dict[str, bytes]:
    """Every file of a store by its name, with its content."""
    return {
        str(path.relative_to(store.folder)): path.read_bytes() for path in store.folder.rglob("*") if path.is_file()
    }


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(1, 7), st.integers(1, 9))
def test_shards_together_are_one_pass(tmp_path_factory, number: int, shards: int, part: int) -> None:
    samples = made(number)
    one = StatisticsStore(tmp_path_factory.mktemp("one"), part)
    many = StatisticsStore(tmp_path_factory.mktemp("many"), part)
    one.compute(RuleComplexity(), samples)
    for shard in reversed(range(1, shards + 1)):
        many.compute(RuleComplexity(), samples, Shard(shard, shards))
    table = many.read(RuleComplexity(), samples)
    assert table.equals(one.read(RuleComplexity(), samples))
    assert table["sample_id"].to_pylist() == [sample.id for sample in samples]
    assert files(many) == files(one)


def test_a_killed_run_resumes_with_the_first_missing_part(tmp_path: Path) -> None:
    samples, store = made(10), StatisticsStore(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt):
        store.compute(Lengths(stops_after=2), samples)
    with pytest.raises(InputError, match="2 of 4 parts of lengths are missing"):
        store.read(Lengths(), samples)
    again = Lengths()
    store.compute(again, samples)
    assert again.calls == 2
    assert store.read(again, samples)["letters"].to_pylist() == [len(s.turns[0].response) for s in samples]
    assert not list(tmp_path.rglob("*.part"))


def test_faults_keep_their_rows_and_are_counted_again_when_resumed(tmp_path: Path) -> None:
    samples = [
        *made(3),
        Sample("empty", (), (Turn("What?", "  "),)),
        Sample("bytes", (), (Turn("What?", "a \udcff b"),)),
        Sample("refused", (), (Turn("What?", "refuse me"),)),
        Sample("long", (), (Turn("What?", "word " * 10_000),)),
        Sample("none", (), ()),
    ]
    store = StatisticsStore(tmp_path, 2)
    faults = store.compute(Lengths(), samples)
    assert faults == {"empty text": 1, "text is not valid Unicode": 1, "refused": 1, "no turn": 1}
    assert store.compute(Lengths(stops_after=0), samples) == faults
    rows = {row["sample_id"]: row for row in store.read(Lengths(), samples).to_pylist()}
    assert len(rows) == len(samples)
    assert rows["long"]["letters"] == 50_000
    assert rows["bytes"] == {"sample_id": "bytes", "fault": "text is not valid Unicode", "letters": None}


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_an_impossible_shard_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="shard="):
        Shard.parse(text)


def test_no_flipped_byte_of_a_part_changes_a_value_in_silence(tmp_path: Path) -> None:
    samples, store = made(30), StatisticsStore(tmp_path)
    store.compute(Lengths(), samples)
    expected, before = store.read(Lengths(), samples), files(store)
    (part,) = store.folder.rglob("*.parquet")
    content, refused = part.read_bytes(), 0
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        part.write_bytes(flipped)
        try:
            assert store.read(Lengths(), samples).equals(expected), f"byte {place}"
        except InputError as error:
            assert str(part) in str(error) and "assess.py" in str(error)
            refused += 1
    assert refused > len(content) / 6
    part.write_bytes(content[:-9])
    store.compute(Lengths(), samples)
    assert files(store) == before, "measured again"


@pytest.mark.parametrize("content", [b"", b"no Parquet", b"PAR1PAR1"])
def test_a_damaged_part_is_named_and_measured_again(tmp_path: Path, content: bytes, caplog) -> None:
    samples, store = made(5), StatisticsStore(tmp_path, 2)
    store.compute(Lengths(), samples)
    before, part = files(store), sorted(store.folder.rglob("*.parquet"))[1]
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"part-000001\.parquet is damaged"):
        store.stored("lengths", samples)
    counting = Lengths()
    assert store.missing(counting, samples) == samples[2:4]
    store.compute(counting, samples)
    assert counting.calls == 1 and files(store) == before
    assert str(part) in caplog.text
