"""The vocabulary of the mini world: what a scene can contain, what it is called, and the phrases made from it.

Kind names and their supercategories are COCO's where COCO has them, so that the world's annotation files read like the
published ones. Everything a caption, a question or an answer can name is listed here and nowhere else. Numbers are
words; sizes, textures and colours stand before a noun in this order ("a small striped red cup"); spelling is American.
"""

from __future__ import annotations

from collections.abc import Sequence

# kind -> (COCO category id, supercategory); "box" is ours (id 91), an open container other things can be inside.
THING_KINDS: dict[str, tuple[int, str]] = {
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
ORDINARY_KINDS: tuple[str, ...] = tuple(kind for kind in THING_KINDS if kind != CONTAINER)

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

# What a setting is called, where a picture of it was taken, and what follows from it but is never drawn (the "external
# knowledge" of paper section 4.2.2).
SETTING_NOUN: dict[str, str] = {
    "beach": "a beach",
    "forest": "a forest",
    "street": "a street",
    "kitchen": "a kitchen",
    "desert": "a desert",
    "snow": "the snow",
    "ocean": "the ocean",
    "night": "the night sky",
}
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
    """Return a phrase after "a" or "an"."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop."""
    return capitalised(text) + "."


def capitalised(text: str) -> str:
    """Return a text with its first letter a capital and the others unchanged."""
    return text[0].upper() + text[1:]


def listed(phrases: Sequence[str]) -> str:
    """Return phrases joined: "a cup", "a cup and a car", "a cup, a car and a cat"."""
    if len(phrases) < 2:
        return "".join(phrases)
    return ", ".join(phrases[:-1]) + " and " + phrases[-1]


def in_place(place: str) -> str:
    """Return "in the upper left" for "upper left"."""
    return f"in the {place}"


def interaction_clause(subject: str, name: str, object: str) -> str:
    """Return "the cup is inside the box" for two noun phrases and a key of `INTERACTIONS`."""
    return f"{subject} {INTERACTIONS[name]} {object}"


def relation_clause(subject: str, relation: str, other: str) -> str:
    """Return "the cup is to the left of the car" for two noun phrases and a key of `RELATIONS`."""
    return f"{subject} is {RELATIONS[relation]} {other}"
