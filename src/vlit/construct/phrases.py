"""How each type of question is put and answered: the phrase templates of the offline generator."""

from __future__ import annotations

from vlit.construct.exchange import Phrasing
from vlit.world.vocabulary import NUMBERS, plural, with_article
from vlit.world.wording import listed

SETTING = Phrasing(
    (
        "What is the setting of this image?",
        "Where was this picture taken?",
        "Which kind of scene does the image show?",
        "How would you describe the surroundings in this picture?",
    ),
    (
        "The picture was taken {phrase}.",
        "The image shows a scene {phrase}.",
        "Everything in the image is set {phrase}.",
    ),
)
OBJECT_AT = Phrasing(
    (
        "What object is in the {place} of the image?",
        "What can be seen in the {place} of the picture?",
        "Name the object in the {place} of the image.",
        "Which object lies in the {place}?",
    ),
    (
        "The object in the {place} of the image is {article_value}.",
        "There is {article_value} in the {place} of the image.",
        "In the {place} you can see {article_value}.",
    ),
)
LISTING = Phrasing(
    (
        "What objects are in the image?",
        "Which things can you see in this picture?",
        "List the kinds of objects in the image.",
    ),
    ("The image contains {value}.", "I can see {value}.", "In the picture there {be} {value}."),
)
COLOUR = Phrasing(
    (
        "What color is the {kind}?",
        "What is the color of the {kind}?",
        "Which color does the {kind} have?",
        "Tell me the color of the {kind} in the image.",
    ),
    ("The {kind} is {value}.", "The {kind} in the image is {value}.", "The color of the {kind} is {value}."),
)
TEXTURE = Phrasing(
    (
        "What pattern does the {kind} have?",
        "What is the pattern on the {kind}?",
        "How is the surface of the {kind} decorated?",
    ),
    ("The {kind} is {value}.", "The {kind} has a {value} pattern.", "The surface of the {kind} is {value}."),
)
SIZE = Phrasing(
    (
        "What size is the {kind}?",
        "How big is the {kind} in the image?",
        "Is the {kind} small or large?",
    ),
    ("The {kind} is {value}.", "The {kind} in the image is {value}."),
)
LOCATION = Phrasing(
    (
        "Where is the {kind} in the image?",
        "In which part of the picture is the {kind}?",
        "Where can I find the {kind}?",
        "What is the position of the {kind} in the image?",
    ),
    (
        "The {kind} is in the {value} of the image.",
        "You can find the {kind} in the {value}.",
        "The {kind} is located in the {value} of the picture.",
    ),
    short="in the {value}",
)
COUNTING = Phrasing(
    (
        "How many {kinds} are in the image?",
        "How many {kinds} can you see?",
        "What is the number of {kinds} in this picture?",
        "Count the {kinds} in the image.",
    ),
    (
        "There {be} {value} {noun} in the image.",
        "I can see {value} {noun}.",
        "The picture shows {value} {noun}.",
    ),
)
RELATION = Phrasing(
    (
        "Where is the {kind} relative to the {reference}?",
        "Where is the {kind} with respect to the {reference}?",
        "How is the {kind} placed in relation to the {reference}?",
        "On which side of the {reference} is the {kind}?",
    ),
    ("The {kind} is {value} the {reference}.", "You can see the {kind} {value} the {reference}."),
    short="{value} the {reference}",
)
INTERACTION = Phrasing(
    (
        "What is the relation between the {kind} and the {reference}?",
        "How do the {kind} and the {reference} interact?",
        "What is the {kind} doing with the {reference}?",
        "Describe how the {kind} and the {reference} are connected.",
    ),
    ("The {kind} {value} the {reference}.", "In this image, the {kind} {value} the {reference}."),
    short="the {kind} {value} the {reference}",
)
MOST_FREQUENT = Phrasing(
    (
        "Which kind of object appears most often?",
        "What is the most common kind of object in the image?",
        "Of which kind of object are there the most?",
    ),
    (
        "There are more {values} than anything else in the image.",
        "Counting every kind, the {value} appears most often.",
    ),
)
BRING = Phrasing(
    (
        "What would be most useful to bring here?",
        "Which item should a visitor of this place bring?",
        "If you went to this place, what would you take with you?",
    ),
    (
        "The picture was taken {phrase}, so {value} would be most useful.",
        "As the scene is {phrase}, it would be wise to bring {value}.",
    ),
)
TAKEN_AWAY = Phrasing(
    (
        "How many objects would be left if all {colour} objects were taken away?",
        "If every {colour} object were removed, how many objects would remain?",
        "Suppose the {colour} objects disappear. How many objects are left?",
    ),
    (
        "Without the {colour} objects, {value} would be left.",
        "{taken} of the {total} objects {be} {colour}, so {value} would be left.",
    ),
)
KNOWN_FOR = Phrasing(
    (
        "What are {kinds} known for?",
        "What do people associate with {kinds}?",
        "Can you tell me what {kinds} are commonly known for?",
    ),
    ("{kinds} are known for {value}.", "People associate {kinds} with {value}."),
)
TEXT = Phrasing(
    (
        "What word is written on the sign?",
        "What does the sign say?",
        "Read the word on the sign.",
        "Which text can be seen in the image?",
    ),
    ('The sign says "{value}".', "The word on the sign is {value}.", "You can read the word {value} on the sign."),
)

# Known to everybody and drawn nowhere: the "external knowledge" of section 4.2.2.
KNOWLEDGE: dict[str, str] = {
    "car": "carrying people along roads",
    "boat": "carrying people across water",
    "bird": "flying and singing",
    "cat": "hunting mice",
    "umbrella": "keeping the rain off",
    "kite": "flying in the wind",
    "bottle": "storing drinks",
    "cup": "drinking tea or coffee",
    "apple": "making juice and pies",
    "chair": "sitting down",
    "book": "reading",
    "clock": "telling the time",
    "box": "storing other things",
}


def number(count: int) -> str:
    """A count as a word where there is one, else in digits."""
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def counted(kind: str, count: int) -> str:
    """A count with its noun: "one car", "three boxes"."""
    return f"{number(count)} {kind if count == 1 else plural(kind)}"


def inventory(counts: dict[str, int]) -> str:
    """Everything counted: "a cup, two cars and a box"."""
    return listed([with_article(kind) if count == 1 else counted(kind, count) for kind, count in counts.items()])
