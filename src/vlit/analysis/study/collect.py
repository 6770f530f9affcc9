"""The small files of a study: what its tables are computed from, copied out of finished run folders."""

from __future__ import annotations

from pathlib import Path

from vlit.common.errors import InputError
from vlit.common.files import read_json, whole

OF_A_RUN = ("result.json", "provenance.json")
OF_A_DATASET = "quality.json"


def collect(runs: Path, study: Path, scale: str = "mini") -> list[Path]:
    """Copy each finished run's result and provenance, and each dataset's quality, into the same places under `study`.

    Copies byte for byte, file by file; what was collected before is replaced.

    Raises:
        InputError: nothing is finished, a file is broken, or a run has a result but no provenance.
    """
    results = sorted((runs / scale).glob("*/*/seed*/result.json"))
    if not results:
        raise InputError(f"no finished run under {runs / scale}: run experiments/study.sh first")
    sources = [result.with_name(name) for result in results for name in OF_A_RUN]
    sources += sorted((runs / scale / "quality").glob(f"*/{OF_A_DATASET}"))
    for source in sources:
        read_json(source, mend=f"run {source.parent} again with force=true")  # refuses what is absent or cut off
    return [_copied(source, study / source.relative_to(runs)) for source in sources]


def _copied(source: Path, target: Path) -> Path:
    with whole(target) as temporary:
        temporary.write_bytes(source.read_bytes())
    return target
