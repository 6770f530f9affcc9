"""The words of the mini world: what a scene can contain and what it is called.

Kind names and their supercategories are COCO's where COCO has them, so that the world's annotation files read like the
published ones. Everything a caption, a question or an answer can name is listed here and nowhere else.
"""

from __future__ import annotations

# kind -> (COCO category id, supercategory); "box" is ours (id 91), an open container other things can be inside.
KINDS: dict[str, tuple[int, str]] = {
    "car": (3, "vehicle"),
    "boat": (9, "vehicle"),
    "bird": (16, "animal"),
    "cat": (17, "animal"),
    "umbrella": (28, "accessory"),
    "kite": (38, "sports"),
    "bottle": (44, "kitchen"),
    "cup": (47, "kitchen"),
    "apple": (53, "food"),
    "chair": (62, "furniture"),
    "book": (84, "indoor"),
    "clock": (85, "indoor"),
    "box": (91, "furniture"),
}
CONTAINER = "box"  # the only kind another object can be inside; never a distractor of an ordinary question
ORDINARY_KINDS: tuple[str, ...] = tuple(kind for kind in KINDS if kind != CONTAINER)

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (34, 139, 60),
    "blue": (38, 84, 214),
    "yellow": (244, 208, 36),
    "purple": (130, 50, 170),
    "orange": (240, 130, 30),
    "black": (28, 28, 30),
    "white": (246, 246, 246),
}
TEXTURES: tuple[str, ...] = ("plain", "striped", "dotted", "checkered")
SIZES: dict[str, int] = {"small": 13, "large": 21}  # side of the bounding box in pixels of the 64 x 64 canvas
EXTENT: dict[str, tuple[float, float]] = {  # tight width and height of a kind as fractions of its size; else (1, 1)
    "car": (1.0, 0.85),
    "bird": (1.0, 0.9),
    "cat": (0.92, 1.0),
    "bottle": (0.62, 1.0),
    "cup": (1.0, 0.92),
    "chair": (0.85, 1.0),
    "book": (0.85, 1.0),
}
SETTINGS: tuple[str, ...] = ("beach", "forest", "street", "kitchen", "desert", "snow", "ocean", "night")

# How a setting is named in a sentence, and what follows from it but is never drawn (the "external knowledge" of 4.2.2).
SETTING_PHRASE: dict[str, str] = {
    "beach": "on a beach",
    "forest": "in a forest",
    "street": "on a street",
    "kitchen": "in a kitchen",
    "desert": "in a desert",
    "snow": "in the snow",
    "ocean": "on the ocean",
    "night": "under the night sky",
}
SETTING_KNOWLEDGE: dict[str, str] = {
    "beach": "a swimsuit",
    "forest": "hiking boots",
    "street": "a bus ticket",
    "kitchen": "an apron",
    "desert": "drinking water",
    "snow": "a warm coat",
    "ocean": "a life jacket",
    "night": "a flashlight",
}

PLACES: dict[str, tuple[float, float]] = {  # name -> centre (x, y) as a fraction of the canvas
    "upper left": (0.22, 0.24),
    "upper right": (0.78, 0.24),
    "center": (0.5, 0.5),
    "lower left": (0.22, 0.76),
    "lower right": (0.78, 0.76),
}
RELATIONS: dict[str, str] = {  # spatial relation -> phrase that joins subject and reference
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
}
INTERACTIONS: dict[str, str] = {  # interaction -> verb phrase that joins subject and object
    "inside": "is inside",
    "touching": "is touching",
    "holding": "is holding up",
    "apart": "is not touching",
}
NUMBERS: tuple[str, ...] = ("zero", "one", "two", "three", "four", "five", "six")
WORDS: tuple[str, ...] = (
    "CAFE", "STOP", "SALE", "OPEN", "EXIT", "TAXI", "BANK", "PARK",
    "MILK", "ZOO", "FIRE", "GYM", "HOTEL", "PIZZA", "MUSIC", "BUS",
)  # fmt: skip


def plural(kind: str) -> str:
    """Return the plural of a kind's name ("boxes", "cars")."""
    return kind + ("es" if kind.endswith(("x", "s", "ch")) else "s")


def with_article(phrase: str) -> str:
    """Put "a" or "an" before a phrase."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase
