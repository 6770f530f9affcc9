"""The one sample type that flows from here to the right."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

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
    """One conversation about its images (paper section 3.1: image X_v, instruction X_c, response X_a)."""

    id: str
    images: tuple[ImageSource, ...]
    turns: tuple[Turn, ...]
    source_id: str = ""  # the image's or instruction's id in the file it came from
    task: str = ""  # conversation, detailed_description, complex_reasoning, global, negative, region ...


DETAIL_LENGTH = 300  # characters; a detail may quote a whole response


@dataclass(frozen=True)
class Reject:
    """What was set aside: the sample, or (`sample_kept`) only a part of it, such as one in-context example."""

    sample_id: str
    reason: str
    detail: str
    sample_kept: bool


class Rejects:
    """Collects what the readers set aside. `len` counts lost samples, not lost parts."""

    def __init__(self) -> None:
        self.rows: list[Reject] = []

    def add(self, sample_id: str, reason: str, detail: str = "") -> None:
        """Set a sample aside. `reason` is one of few fixed phrases (it is counted); `detail` is free."""
        self.rows.append(Reject(sample_id, reason, detail[:DETAIL_LENGTH], sample_kept=False))

    def add_part(self, sample_id: str, reason: str, detail: str = "") -> None:
        """Leave out a part of a sample that is itself kept."""
        self.rows.append(Reject(sample_id, reason, detail[:DETAIL_LENGTH], sample_kept=True))

    def __len__(self) -> int:
        return sum(not row.sample_kept for row in self.rows)

    def counts(self) -> dict[str, int]:
        """Rows by reason, the most frequent first."""
        return dict(Counter(row.reason for row in self.rows).most_common())

    def summary(self) -> str:
        """One line for the log."""
        if not self.rows:
            return "no sample set aside"
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.counts().items())
        return f"{len(self)} samples set aside ({reasons})"

    def write(self, path: Path) -> None:
        """Write one JSON line a row (`rejects.jsonl`), whole or not at all."""
        write_jsonl(path, map(asdict, self.rows))
