"""What a scene is: plain data, no drawing and no chance."""

from __future__ import annotations

from dataclasses import dataclass

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
