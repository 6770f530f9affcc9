"""What a scene is: plain data, no drawing and no chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl

CANVAS = 64  # pixels a side


@dataclass(frozen=True)
class Thing:
    """One object of a scene. `box` is (x, y, width, height) in canvas pixels, as in COCO."""

    kind: str
    colour: str
    texture: str
    size: str
    box: tuple[int, int, int, int]

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box in pixels."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class Interaction:
    """`things[subject]` does `name` (a key of `vocabulary.INTERACTIONS`) to `things[object]`."""

    subject: int
    name: str
    object: int


@dataclass(frozen=True)
class Sign:
    """A written word on a white board. `box` as in `Thing`."""

    word: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """A scene: its truth, whole. Things are drawn in order, later ones in front."""

    id: int
    setting: str
    things: tuple[Thing, ...]
    interaction: Interaction | None = None
    sign: Sign | None = None

    def count(self, kind: str) -> int:
        """Number of things of a kind."""
        return sum(thing.kind == kind for thing in self.things)


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
