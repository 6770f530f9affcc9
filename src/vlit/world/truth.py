"""The whole truth of every scene as a file, read by tests and studies of planted errors, never by the pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlit.errors import InputError
from vlit.files import read_jsonl, write_jsonl
from vlit.world.scene import Interaction, Scene, Sign, Thing

TRUTH_FILE = "truth/scenes.jsonl"


def write_truth(folder: Path, scenes: Iterable[Scene]) -> None:
    """Write scenes under a world's folder, one JSON object a line."""
    write_jsonl(folder / TRUTH_FILE, (asdict(scene) for scene in scenes))


def read_truth(folder: Path) -> dict[int, Scene]:
    """Return the scenes of a world, training and benchmark, by image id.

    Raises:
        InputError: if the folder has no truth file.
    """
    path = folder / TRUTH_FILE
    if not path.exists():
        raise InputError(f"no file {path}: build the world first")
    scenes = [_scene(row) for row in read_jsonl(path)]
    return {scene.id: scene for scene in scenes}


def _scene(row: dict[str, Any]) -> Scene:
    return Scene(
        row["id"],
        row["setting"],
        tuple(Thing(**{**thing, "box": tuple(thing["box"])}) for thing in row["things"]),
        Interaction(**row["interaction"]) if row["interaction"] else None,
        Sign(row["sign"]["word"], tuple(row["sign"]["box"])) if row["sign"] else None,
    )
