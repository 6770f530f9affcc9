"""Rows in a file = kept + rejected + noted, on every small case of a file as people have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vlit.common.errors import InputError
from vlit.construct.sources.read import SOURCE_FILES, read_annotations
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.formats.llava import read_llava
from vlit.data.formats.mimic_it import read_mimic_it
from vlit.data.sample import Rejects
from vlit.evaluation.questions import read_questions

CASES = ROOT / "tests" / "cases"
KINDS = ("train", "bench", "mimic", "arc", "construct")


def _train(case: Path, rejects: Rejects) -> None:
    for file in sorted(case.glob("*.json*")):
        if not file.name.startswith(("SEED-Bench", "changed")):
            read_llava(file, case / "images", rejects)


def _bench(case: Path, rejects: Rejects) -> None:
    for file in sorted(case.glob("*.json")):
        images = next((one for one in (case / "images", case / "SEED-Bench-image") if one.is_dir()), case)
        read_questions(file, images, rejects)


def _mimic(case: Path, rejects: Rejects) -> None:
    train = case / "DC_train.json"
    files = case / "DC_instructions.json", case / "DC.json"
    read_mimic_it(*files, rejects, train=train if train.exists() else None)


def _arc(case: Path, rejects: Rejects) -> None:
    kinds = tuple(kind for kind in ("global", "negative", "region") if (case / f"{kind}.json").exists())
    read_coco_arc(case, case / "images", rejects, kinds=kinds)


def _construct(case: Path, rejects: Rejects) -> None:
    sources = [name for name, files in SOURCE_FILES.items() if all((case / file).exists() for file in files)]
    if sources:
        read_annotations(case, sources, rejects)


READERS: dict[str, Callable[[Path, Rejects], None]] = dict(
    zip(KINDS, (_train, _bench, _mimic, _arc, _construct), strict=True)
)
FOLDERS = [case for case in sorted(CASES.iterdir()) if case.name.startswith(KINDS)]


@pytest.mark.parametrize("case", FOLDERS, ids=[case.name for case in FOLDERS])
def test_counts_close(case: Path, tmp_path: Path) -> None:
    rejects = Rejects()
    try:
        READERS[case.name.partition("_")[0]](case, rejects)
    except InputError as refused:  # the file as a whole, in one line
        assert len(str(refused).splitlines()) == 1
    rejects.write(tmp_path / "rejects.jsonl")
    for source in rejects.sources:
        assert source.rows == source.kept + source.rejected + source.noted
    assert sum(source.rejected for source in rejects.sources) == len(rejects)


def test_the_cases_are_there() -> None:
    assert len(FOLDERS) >= 30
