"""Writes a dose as a dataset in COCO_ARC's format, with a manifest of what was varied, whole or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlit.common.files import read_json, replaced_folder, write_json, write_jsonl
from vlit.construct.sources.read import SOURCES, read_annotations
from vlit.mini.datasets.build import mark_of
from vlit.mini.datasets.exchange import Conversation
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.datasets.ours import coco_arc_records
from vlit.mini.datasets.planted import PLANTED
from vlit.mini.doses.design import BASE, BASE_DOSE, Dose, Settings, dose
from vlit.mini.doses.questions import ask, say

MANIFEST = "dose.json"  # written last: what the folder was built from


def build_dose(
    principle: str, level: int, samples: int, seed: int, world_folder: str | Path, folder: str | Path
) -> Path:
    """Write `folder/global.json`, `folder/dose.json` and `folder/planted_errors.jsonl` (which nothing reads).

    Returns at once if the folder holds this dose of this world already. The same arguments give the same bytes.

    Args:
        principle: one of `PRINCIPLES`, or `base`.
        level: from 1; 0 for the base.
        samples: conversations; the same number in all doses that are compared.
        seed: of questions and words.
        world_folder: holds `coco/` with the annotation files.
        folder: what to write.

    Raises:
        InputError: if there is no such dose, the world carries too few conversations, or `folder` holds something else.
    """
    folder, chosen = Path(folder), dose(principle, level)
    mark = {
        "principle": principle, "level": level, "dose": chosen.dose, "samples": samples, "seed": seed,
        "world": _world(Path(world_folder)), "varied": varied(chosen.settings), "settings": asdict(chosen.settings),
    }  # fmt: skip
    if _is_built(folder, mark):
        return folder
    images = [ImageFacts(image.restricted(SOURCES)) for image in read_annotations(Path(world_folder) / "coco")]
    asked = ask(images, chosen.settings, samples, seed)
    said, planted = say(asked, chosen.settings, [f"dose/global/{number:06d}" for number in range(samples)], seed)
    with replaced_folder(folder, MANIFEST, what="dose", is_current=lambda: _is_built(folder, mark)) as fresh:
        write_json(fresh / "global.json", coco_arc_records(said))
        write_jsonl(fresh / PLANTED, (error.record() for error in planted))
        write_json(
            fresh / MANIFEST, {**mark, "base_dose": _base_dose(chosen), "counted": _counted(asked, said, planted)}
        )
    return folder


def varied(settings: Settings) -> dict[str, list[Any]]:
    """The settings that differ from the base: `[base, here]` by name."""
    base = asdict(dose(BASE, 0).settings)
    return {name: [base[name], value] for name, value in asdict(settings).items() if value != base[name]}


def _base_dose(chosen: Dose) -> float | None:
    return BASE_DOSE.get(chosen.principle)


def _counted(asked: Sequence[Conversation], said: Sequence[Conversation], planted: Sequence[object]) -> dict[str, Any]:
    """What the dataset holds, as far as its maker knows; the quality room measures it on its own."""
    images = ",".join(sorted(conversation.image for conversation in asked))
    questions = [exchange for conversation in asked for exchange in conversation.exchanges]
    turns = [exchange for conversation in said for exchange in conversation.exchanges]
    return {
        "questions": len(questions),
        "turns": len(turns),
        "abilities": dict(Counter(exchange.ability for exchange in questions).most_common()),
        "wrong_responses": len(planted),
        "distinct_instructions": len({exchange.instruction for exchange in turns}),
        "distinct_responses": len({exchange.response for exchange in turns}),
        "images": hashlib.sha256(images.encode()).hexdigest(),
    }


def _world(folder: Path) -> Any:
    return read_json(folder / "world.json", mend="draw the world first (train.py and assess.py do)")


def _is_built(folder: Path, mark: dict[str, Any]) -> bool:
    found = mark_of(folder, MANIFEST, "dose")
    return isinstance(found, dict) and {key: found.get(key) for key in mark} == mark
