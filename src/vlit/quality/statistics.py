"""Per-sample statistics: computed once, stored as Parquet, resumable and shardable.

A dataset is cut into parts of a fixed number of samples, in order; each measure writes one Parquet file a part, whole
or not at all. A killed run resumes with the first part that is missing. Shard `k/n` computes the parts whose number
leaves `k - 1` when divided by `n`. Parts are the same however the work is split, so shards together give the statistics
of one pass. Pages have checksums: a part that is damaged is measured again by `assess.py`, and read by nobody.

A sample that can't be measured keeps its row: its `fault` gives the reason, and faults are counted.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.common.files import whole, write_text
from vlit.data.sample import Sample
from vlit.data.subset import fingerprint
from vlit.llm.request import RequestFailed

log = logging.getLogger(__name__)

PART = 512  # samples a file
_KEY = "key.txt"
_NAMES = b"columns"  # in the metadata of a part


class MeasureFault(Exception):  # noqa: N818 - a property of the sample, stored as data
    """A sample that can't be measured; the message is one of a few fixed phrases, because faults are counted by it."""


def request_fault(model: str, failed: RequestFailed) -> MeasureFault:
    """Return the fault of a sample whose request to a model failed, without the details of the reason."""
    return MeasureFault(f"{model}: {str(failed).partition(':')[0]}")


class Measure(Protocol):
    """One statistic of samples.

    Attributes:
        name: start of the name of the folder with its parts: the key of its indicator.
        key: everything that changes its values (model, prompt, settings); another key is another folder.
        schema: its columns, without `sample_id` and `fault`.
    """

    name: str
    key: str
    schema: pa.Schema

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return one row, or a fault, a sample; it depends on that sample alone."""


@dataclass(frozen=True)
class Shard:
    """Shard `number`, from 1, of `of`."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "3/16", the third of sixteen; "1/1" is everything.

        Raises:
            InputError: if it is not of this form, or out of range.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", str(text))
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"shard={text}: write it as 3/16, the third of sixteen")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class StatisticsStore:
    """The stored statistics of one dataset.

    Attributes:
        folder: where they are.
        part_size: samples a file.
    """

    folder: Path
    part_size: int = PART

    @classmethod
    def of(cls, folder: Path, name: str, samples: Sequence[Sample]) -> StatisticsStore:
        """Return the store of a dataset, named by its name and content, under `folder`."""
        return cls(Path(folder) / name / f"statistics-{fingerprint(samples)[:16]}")

    def compute(self, measure: Measure, samples: Sequence[Sample], shard: Shard | None = None) -> Counter[str]:
        """Compute the missing parts of a shard and return all its faults by reason, earlier runs' included."""
        shard = shard or Shard()
        faults: Counter[str] = Counter()
        numbers = range(shard.number - 1, self._parts(samples), shard.of)
        if numbers and not (self._folder(measure) / _KEY).exists():
            write_text(self._folder(measure) / _KEY, measure.key)
        for number in tqdm(numbers, desc=measure.name, disable=len(numbers) < 2):
            file = self._file(measure, number)
            table = _whole_table(file)
            if table is None:
                self._write(file, measure, self._samples(samples, number))
                table = _table(file)
            faults.update(fault for fault in table["fault"].to_pylist() if fault)
        if faults:
            log.warning("%s: %d samples without a value (%s)", measure.name, sum(faults.values()), _listed(faults))
        return faults

    def missing(self, measure: Measure, samples: Sequence[Sample], shard: Shard | None = None) -> list[Sample]:
        """Return the samples of a shard whose parts are still to be computed."""
        shard = shard or Shard()
        numbers = range(shard.number - 1, self._parts(samples), shard.of)
        absent = [number for number in numbers if _whole_table(self._file(measure, number)) is None]
        return [one for number in absent for one in self._samples(samples, number)]

    def read(self, measure: Measure, samples: Sequence[Sample]) -> pa.Table:
        """Return all parts in the samples' order, with columns `sample_id`, `fault` and the measure's.

        Raises:
            InputError: if a part is missing, because a shard has not been run.
        """
        files = [self._file(measure, number) for number in range(self._parts(samples))]
        absent = [number for number, file in enumerate(files) if not file.exists()]
        if absent:
            raise InputError(
                f"{len(absent)} of {len(files)} parts of {measure.name} are missing (first: {absent[0]}): "
                "run assess.py for every shard"
            )
        schema = _full(measure)
        return pa.concat_tables([_table(file) for file in files]) if files else schema.empty_table()

    def stored(self, name: str, samples: Sequence[Sample], key: str | None = None) -> pa.Table:
        """Return the complete statistics of a name, whatever measured them.

        Args:
            name: the measure's name.
            samples: the dataset.
            key: start of the measure's key (`key.txt` of its folder), to choose one of several.

        Raises:
            InputError: if none are complete, or several are.
        """
        keys = {file.parent: file.read_text("utf-8") for file in sorted(self.folder.glob(f"{name}-*/{_KEY}"))}
        numbers = range(self._parts(samples))
        complete = {
            folder: text
            for folder, text in keys.items()
            if text.startswith(key or "") and all((folder / _part(number)).exists() for number in numbers)
        }
        if not complete:
            which = f" by {key}" if key else ""
            raise InputError(
                f"no complete statistics of {name}{which} in {self.folder}: run assess.py (see its judge=)"
            )
        if len(complete) > 1:
            texts = ", ".join(repr(text) for text in complete.values())
            raise InputError(
                f"{len(complete)} statistics of {name} in {self.folder}: choose one of {texts} by its start"
            )
        folder = next(iter(complete))
        return pa.concat_tables([_table(folder / _part(number)) for number in numbers])

    def _parts(self, samples: Sequence[Sample]) -> int:
        return -(-len(samples) // self.part_size)

    def _samples(self, samples: Sequence[Sample], number: int) -> Sequence[Sample]:
        return samples[number * self.part_size : (number + 1) * self.part_size]

    def _folder(self, measure: Measure) -> Path:
        return self.folder / f"{measure.name}-{hashlib.sha256(measure.key.encode()).hexdigest()[:12]}"

    def _file(self, measure: Measure, number: int) -> Path:
        return self._folder(measure) / _part(number)

    def _write(self, file: Path, measure: Measure, samples: Sequence[Sample]) -> None:
        found = measured(measure, samples)
        rows = [
            {"sample_id": sample.id, "fault": str(row)} if isinstance(row, MeasureFault)
            else {"sample_id": sample.id, "fault": None, **row}
            for sample, row in zip(samples, found, strict=True)
        ]  # fmt: skip
        with whole(file) as temporary:
            schema = _full(measure)
            # Pages have checksums, and names of columns don't.
            table = pa.Table.from_pylist(rows, schema.with_metadata({_NAMES: ",".join(schema.names)}))
            pq.write_table(table, temporary, write_page_checksum=True)


def _table(file: Path) -> pa.Table:
    """Read a part.

    Raises:
        InputError: if it is damaged.
    """
    try:
        table = pq.read_table(file, page_checksum_verification=True)
        names = (table.schema.metadata or {}).get(_NAMES)
        if names is not None and names.decode() != ",".join(table.column_names):
            raise ValueError("the names of its columns are not what they were")
        return table.replace_schema_metadata()
    except (OSError, pa.ArrowException, ValueError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{file} is damaged ({why}): run assess.py, which measures its samples again") from None


def _whole_table(file: Path) -> pa.Table | None:
    """Read a part; None if it is absent, or damaged: then it is removed, and named in the log."""
    if not file.exists():
        return None
    try:
        return _table(file)
    except InputError as error:
        log.warning("%s", error)
        if file.is_dir():
            file.rmdir()  # nothing of ours: an empty folder goes, another one is an error
        else:
            file.unlink()
        return None


def measured(measure: Measure, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
    """Return a measure's rows; a sample whose text no model can read is a fault of every measure."""
    faults = [text_fault(sample) for sample in samples]
    rows = iter(measure.rows([sample for sample, fault in zip(samples, faults, strict=True) if fault is None]))
    return [next(rows) if fault is None else MeasureFault(fault) for fault in faults]


def text_fault(sample: Sample) -> str | None:
    """Return what is wrong with a sample's text, or None. Readers set such samples aside; other sources may not."""
    texts = [text for turn in sample.turns if turn.supervised for text in (turn.instruction, turn.response)]
    if not texts:
        return "no turn"
    if any(not text.strip() for text in texts):
        return "empty text"
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return "text is not valid Unicode"
    return None


def instructions(sample: Sample) -> list[str]:
    """Return the instructions of the supervised turns (in-context examples belong to other samples)."""
    return [turn.instruction for turn in sample.turns if turn.supervised]


def responses(sample: Sample) -> str:
    """Return the responses of the supervised turns, joined by blanks."""
    return " ".join(turn.response for turn in sample.turns if turn.supervised)


def _full(measure: Measure) -> pa.Schema:
    return pa.schema([("sample_id", pa.string()), ("fault", pa.string()), *measure.schema])


def _part(number: int) -> str:
    return f"part-{number:06d}.parquet"


def _listed(faults: Counter[str]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in faults.most_common())
