"""What readers give: samples, the one type that every later stage uses, and rejects, each with its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from PIL import Image

from vlit.common.errors import printable
from vlit.common.files import write_jsonl


class ImageSource(Protocol):
    """Anything that gives an image: a file, a member of a zip, a base64 string."""

    @property
    def key(self) -> str:
        """Names the image's content: equal keys are the same image. Raises `OSError` when that can't be told."""

    def load(self) -> Image.Image:
        """Decode to RGB. Raises `OSError` when it can't be read."""


@dataclass(frozen=True)
class Turn:
    """An instruction and its response. `images` says how many of the sample's images come right before it."""

    instruction: str
    response: str
    images: int = 0
    supervised: bool = True  # False for an in-context example: read, not learned from


@dataclass(frozen=True)
class Sample:
    """One conversation about its images (paper section 3.1: image X_v, instruction X_c, response X_a).

    Attributes:
        id: unique within its dataset and stable: made from the dataset's name and the row.
        images: images in the order in which turns refer to them.
        turns: instructions with their responses.
        source_id: id of the image or instruction in the file it came from; empty where the file gives none.
        task: conversation, detailed_description, complex_reasoning, global, negative, region ...
        place: where the row stands, `file[row]` or `file:line`.
    """

    id: str
    images: tuple[ImageSource, ...]
    turns: tuple[Turn, ...]
    source_id: str = ""
    task: str = ""
    place: str = field(default="", compare=False)


DETAIL_LENGTH = 300  # characters; a detail may quote a whole response


@dataclass(frozen=True)
class Reject:
    """A sample that was set aside, or (`sample_kept`) a part or a property of a sample that is kept.

    Attributes:
        sample_id: the sample.
        reason: one of few fixed phrases, as it is counted.
        detail: what exactly, at most `DETAIL_LENGTH` characters.
        sample_kept: whether the sample is used all the same.
        place: where it stands, `file:line`, `file[row]` or `file[key]`.
        field: the field at fault, such as `conversations[0].value`; empty where it is the row as a whole.
    """

    sample_id: str
    reason: str
    detail: str
    sample_kept: bool
    place: str = ""
    field: str = ""


@dataclass(frozen=True)
class SourceCount:
    """How the rows of one source ended: `rows == kept + rejected + noted`.

    Attributes:
        source: the file or folder.
        rows: rows it holds.
        kept: rows that became samples.
        rejected: rows set aside with a reason each.
        noted: rows that are not asked for, such as the video questions of a benchmark.
    """

    source: str
    rows: int
    kept: int
    rejected: int
    noted: int = 0


class Rejects:
    """Collects what readers set aside. `len` counts lost samples, not notes on samples that are kept."""

    def __init__(self) -> None:
        self.rows: list[Reject] = []
        self.sources: list[SourceCount] = []
        self._counted = 0  # rejected samples that belong to a closed source

    def add(self, sample_id: str, reason: str, detail: str = "", *, place: str = "", field: str = "") -> None:
        """Set a sample aside."""
        self.rows.append(Reject(sample_id, reason, printable(detail[:DETAIL_LENGTH]), False, place, field))

    def add_part(self, sample_id: str, reason: str, detail: str = "", *, place: str = "", field: str = "") -> None:
        """Note what is left out or changed of a sample that is kept."""
        self.rows.append(Reject(sample_id, reason, printable(detail[:DETAIL_LENGTH]), True, place, field))

    def close(self, source: str, rows: int, kept: int, noted: int = 0) -> SourceCount:
        """Count a source that was read to its end; what was rejected since the last one belongs to it.

        Raises:
            RuntimeError: if the counts do not close, which is a fault of the reader.
        """
        rejected = len(self) - self._counted
        if rows != kept + rejected + noted:
            raise RuntimeError(f"{source}: {rows} rows, but {kept} kept + {rejected} rejected + {noted} noted")
        self._counted += rejected
        self.sources.append(SourceCount(source, rows, kept, rejected, noted))
        return self.sources[-1]

    def __len__(self) -> int:
        return sum(not row.sample_kept for row in self.rows)

    def counts(self) -> dict[str, int]:
        """Return rows by reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rows).most_common())

    def summary(self) -> str:
        """Return one line for the log."""
        if not self.rows:
            return "no sample set aside"
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.counts().items())
        first = next((row for row in self.rows if not row.sample_kept and row.detail), None)
        example = "" if first is None else f"; first: {first.place or first.sample_id}: {first.reason}: {first.detail}"
        return f"{len(self)} samples set aside ({reasons}{example})"

    def write(self, path: Path) -> None:
        """Write `rejects.jsonl`, whole or not at all: a line a source with its counts, then a line a row."""
        write_jsonl(path, [*map(asdict, self.sources), *map(asdict, self.rows)])
