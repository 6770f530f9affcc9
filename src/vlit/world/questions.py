"""Questions about a scene with their true answers, by SEED-Bench's nine dimensions.

An answer comes in two forms: the short phrase ("To the left of the car"), which SEED-Bench's choices look like, and the
sentence. The wordings are here once, for annotations, benchmark, corpus and the construction of instruction data.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from vlit.world import facts
from vlit.world.scene import Scene, Thing
from vlit.world.vocabulary import (
    COLOURS,
    INTERACTIONS,
    NUMBERS,
    ORDINARY_KINDS,
    RELATIONS,
    SETTING_KNOWLEDGE,
    SETTING_PHRASE,
    plural,
    with_article,
)


@dataclass(frozen=True)
class QA:
    """A question with its answer as phrase and as sentence. `dimension` is SU, II, IA, IL, IC, SR, IIR, VR, TR."""

    question: str
    answer: str
    sentence: str
    dimension: str
    topic: str


# topic -> (dimension, wordings). Fields: kind, kinds, other, place, colour.
WORDINGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "setting": (
        "SU",
        (
            "What is the setting of this image?",
            "Where was this picture taken?",
            "What kind of place is shown in the image?",
        ),
    ),
    "identity_place": (
        "II",
        (
            "What object is in the {place} of the image?",
            "What can be seen in the {place} of the picture?",
            "Which object is located in the {place}?",
        ),
    ),
    "identity_colour": (
        "II",
        ("What is the {colour} object in the image?", "Which object is {colour}?", "What {colour} thing can be seen?"),
    ),
    "colour": (
        "IA",
        ("What color is the {kind}?", "What is the color of the {kind}?", "Which color does the {kind} have?"),
    ),
    "texture": (
        "IA",
        ("What pattern does the {kind} have?", "What is the texture of the {kind}?", "What does the {kind} look like?"),
    ),
    "place": (
        "IL",
        (
            "Where is the {kind} in the image?",
            "In which part of the image is the {kind}?",
            "What is the location of the {kind}?",
        ),
    ),
    "count": (
        "IC",
        (
            "How many {kinds} are in the image?",
            "How many {kinds} are there?",
            "What is the number of {kinds} in the picture?",
        ),
    ),
    "relation": (
        "SR",
        (
            "Where is the {kind} relative to the {other}?",
            "What is the position of the {kind} with respect to the {other}?",
            "On which side of the {other} is the {kind}?",
        ),
    ),
    "interaction": (
        "IIR",
        (
            "What is the relation between the {kind} and the {other}?",
            "How do the {kind} and the {other} interact?",
            "What is the {kind} doing with the {other}?",
        ),
    ),
    "frequent": (
        "VR",
        (
            "Which kind of object appears most often?",
            "What is the most common object in the image?",
            "Which object is there more of than any other?",
        ),
    ),
    "useful": (
        "VR",
        (
            "What would be most useful to bring here?",
            "What should a visitor bring to this place?",
            "Which item would help most in this place?",
        ),
    ),
    "without": (
        "VR",
        (
            "How many objects would be left if all {colour} objects were taken away?",
            "If the {colour} objects were removed, how many objects would remain?",
            "Without the {colour} objects, how many objects are left?",
        ),
    ),
    "word": (
        "TR",
        (
            "What word is written on the sign?",
            "What does the sign say?",
            "Which word can be read in the image?",
        ),
    ),
}


def phrase(text: str) -> str:
    """An answer as a phrase: a capital first, no full stop."""
    return text[:1].upper() + text[1:]


def place_phrase(place: str) -> str:
    """ "In the upper left"."""
    return f"In the {place}"


def number_sentence(number: int, kind: str) -> str:
    """ "There are three cups.", "There is one cup."."""
    return f"There is one {kind}." if number == 1 else f"There are {NUMBERS[number]} {plural(kind)}."


def ask(topic: str, answer: str, sentence: str, rng: random.Random, **fields: str) -> QA:
    """Word a question of a topic by chance."""
    dimension, wordings = WORDINGS[topic]
    return QA(rng.choice(wordings).format(**fields), answer, sentence, dimension, topic)


def question_answers(scene: Scene, rng: random.Random) -> list[QA]:
    """Every question of the nine dimensions that the scene answers without doubt, each in one wording."""
    found = [
        ask(
            "setting",
            phrase(scene.setting),
            f"The picture was taken {SETTING_PHRASE[scene.setting]}.",
            rng,
        ),
        ask(
            "useful",
            phrase(SETTING_KNOWLEDGE[scene.setting]),
            f"It would be useful to bring {SETTING_KNOWLEDGE[scene.setting]}.",
            rng,
        ),
    ]
    for kind, number in facts.counts(scene).items():
        found.append(
            ask("count", phrase(NUMBERS[number]), number_sentence(number, kind), rng, kind=kind, kinds=plural(kind))
        )
    singles = facts.singles(scene)
    for thing in singles:
        found += _about(thing, rng)
    found += _by_place_and_colour(scene, rng)
    found += _between(scene, singles, rng)
    frequent = facts.most_frequent(scene)
    if frequent is not None:
        found.append(ask("frequent", phrase(frequent), f"The {frequent} appears most often.", rng))
    found += _without(scene, rng)
    if scene.sign is not None:
        found.append(ask("word", scene.sign.word, f"The sign says {scene.sign.word}.", rng))
    return found


def _about(thing: Thing, rng: random.Random) -> list[QA]:
    kind = thing.kind
    found = [ask("colour", phrase(thing.colour), f"The {kind} is {thing.colour}.", rng, kind=kind)]
    if kind in ORDINARY_KINDS:
        found.append(ask("texture", phrase(thing.texture), f"The {kind} is {thing.texture}.", rng, kind=kind))
    where = facts.place(thing)
    if where is not None:
        found.append(ask("place", place_phrase(where), f"The {kind} is in the {where}.", rng, kind=kind))
    return found


def _by_place_and_colour(scene: Scene, rng: random.Random) -> list[QA]:
    found = []
    places = [facts.place(thing) for thing in scene.things]
    for thing, where in zip(scene.things, places, strict=True):
        if where is not None and places.count(where) == 1:
            answer, sentence = phrase(thing.kind), f"There is {with_article(thing.kind)} in the {where}."
            found.append(ask("identity_place", answer, sentence, rng, place=where))
    for thing in facts.unique_by_colour(scene):
        answer, sentence = phrase(thing.kind), f"The {thing.colour} object is {with_article(thing.kind)}."
        found.append(ask("identity_colour", answer, sentence, rng, colour=thing.colour))
    return found


def _between(scene: Scene, singles: list[Thing], rng: random.Random) -> list[QA]:
    found = []
    pair = scene.interaction
    met = () if pair is None else (scene.things[pair.subject], scene.things[pair.object])
    for subject in singles:
        for reference in singles:
            side = facts.relation(subject, reference)
            if subject is reference or side is None or (subject in met and reference in met):
                continue
            answer = f"{RELATIONS[side]} the {reference.kind}"
            sentence = f"The {subject.kind} is {answer}."
            found.append(ask("relation", phrase(answer), sentence, rng, kind=subject.kind, other=reference.kind))
    if pair is not None and all(thing in singles for thing in met):
        sentence = f"The {met[0].kind} {INTERACTIONS[pair.name]} the {met[1].kind}"
        found.append(ask("interaction", sentence, sentence + ".", rng, kind=met[0].kind, other=met[1].kind))
    return found


def _without(scene: Scene, rng: random.Random) -> list[QA]:
    present = {thing.colour for thing in scene.things}
    found = []
    for colour in sorted(present, key=list(COLOURS).index):
        left = facts.left_without(scene, colour)
        if 1 <= left <= 5:  # the range of counts that questions ask about
            words = "One object" if left == 1 else f"{phrase(NUMBERS[left])} objects"
            found.append(ask("without", phrase(NUMBERS[left]), f"{words} would be left.", rng, colour=colour))
    return found


def yes_no(scene: Scene, rng: random.Random) -> list[QA]:
    """Questions answered by yes or no, as many true as false; for VQA and negative instructions, not the benchmark."""
    found = []
    present = facts.counts(scene)
    absent = [kind for kind in ORDINARY_KINDS if kind not in present]
    for kind, answer in ((rng.choice(sorted(present)), "yes"), (rng.choice(absent), "no")):
        sentence = f"Yes, there is {with_article(kind)}." if answer == "yes" else f"No, there is no {kind}."
        found.append(QA(f"Is there {with_article(kind)} in the image?", answer, sentence, "II", "presence"))
    for thing in facts.singles(scene)[:2]:
        colour = rng.choice([thing.colour, rng.choice([c for c in COLOURS if c != thing.colour])])
        right = colour == thing.colour
        sentence = f"{'Yes' if right else 'No'}, the {thing.kind} is {thing.colour}."
        found.append(QA(f"Is the {thing.kind} {colour}?", "yes" if right else "no", sentence, "IA", "colour_check"))
    return found
