"""Negative instructions: questions about what is not there, and misdescriptions to correct (paper section 4.2.2).

Half of the questions about presence are answered with yes, so that the question alone does not give the answer away.
"""

from __future__ import annotations

from random import Random

from vlit.construct.abilities import choose, other_counts, some
from vlit.construct.annotations import AnnotatedObject
from vlit.construct.exchange import Exchange, Phrasing
from vlit.construct.facts import ATTRIBUTE_VALUES, ImageFacts
from vlit.construct.phrases import counted
from vlit.world.vocabulary import KINDS, PLACES, SETTING_PHRASE, WORDS, plural, with_article

PRESENCE = Phrasing(
    (
        "Is there {article_kind} in the image?",
        "Can you see {article_kind} in this picture?",
        "Does the image show {article_kind}?",
    ),
    ("{value}.", "{value} in the image.", "{value} in this picture."),
)
ABSENT_COLOUR = Phrasing(
    ("What color is the {kind}?", "Where is the {kind} in the image?", "What is the {kind} next to?"),
    ("There is no {kind} in the image.", "I can't see any {kind} in this picture, so there is no answer to that."),
    short="There is no {kind}",
)
CORRECTIONS = {
    "attribute": ("Is the {kind} {claim}?", "The {kind} is {claim}, isn't it?", "Why is the {kind} {claim}?"),
    "location": (
        "Is the {kind} in the {claim}?",
        "The {kind} is in the {claim} of the image, right?",
        "I think the {kind} is in the {claim}. Is that correct?",
    ),
    "counting": (
        "Are there {claim} in the image?",
        "I count {claim}, is that right?",
        "There are {claim} here, right?",
    ),
    "text": ('Does the sign say "{claim}"?', "Is {claim} written on the sign?", "The sign says {claim}, doesn't it?"),
    "setting": ("Was this picture taken {claim}?", "Is this a scene {claim}?"),
}


def absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Is there a boat in the image? No."""
    kind = choose(rng, facts.absent(KINDS))
    return kind and _presence(kind, rng, short, [f"No, there is no {kind}", f"Yes, there is {with_article(kind)}"])


def present(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Is there a cup in the image? Yes."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    yes = f"Yes, there {'is' if count == 1 else 'are'} {counted(kind, count)}"
    return _presence(kind, rng, short, [yes, f"No, there is no {kind}"])


def _presence(kind: str, rng: Random, short: bool, answers: list[str]) -> Exchange:
    right, *wrong = ({"value": answer} for answer in answers)
    return PRESENCE.exchange("identity", rng, short, {"article_kind": with_article(kind)}, right, wrong, "object")


def asked_of_absent(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """What color is the boat? There is none."""
    kind = choose(rng, facts.absent(KINDS))
    return kind and ABSENT_COLOUR.exchange("identity", rng, short, {"kind": kind}, {})


def wrong_attribute(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """The cup is blue, isn't it? No, it is red."""
    known = [(thing, name) for thing in facts.singles for name in ATTRIBUTE_VALUES if facts.value(thing, name)]
    pair = choose(rng, known)
    if pair is None:
        return None
    thing, name = pair
    value = facts.value(thing, name)
    claim, *_ = some(rng, ATTRIBUTE_VALUES[name], (value,))
    return _correction("attribute", rng, claim, f"the {thing.kind} is {{}}", str(value), thing.kind, "attribute")


def wrong_location(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """The cat is in the upper left, right? No, it is in the lower right."""
    thing: AnnotatedObject | None = choose(rng, facts.singles)
    if thing is None:
        return None
    claim, *_ = some(rng, PLACES, (facts.place(thing),))
    told = f"the {thing.kind} is in the {{}}"
    return _correction("location", rng, claim, told, facts.place(thing), thing.kind, "location")


def wrong_count(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """I count four apples, is that right? No, there are two."""
    kind = choose(rng, list(facts.counts))
    if kind is None:
        return None
    count = facts.counts[kind]
    claim, *_ = some(rng, [other for other in other_counts(rng, count) if other > 1] or [count + 1])
    told = f"there {'is only' if count == 1 else 'are'} {{}}"
    wrong = f"there are {counted(kind, claim)}"
    return _correction("counting", rng, counted(kind, claim), told, counted(kind, count), plural(kind), "count", wrong)


def wrong_word(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Does the sign say "STOP"? No, it says "CAFE"."""
    if facts.word is None:
        return None
    claim, *_ = some(rng, WORDS, (facts.word,))
    return _correction("text", rng, claim, "the sign says {}", facts.word, "sign", "text")


def wrong_setting(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Was this picture taken in the snow? No, on a beach."""
    if facts.setting is None:
        return None
    claim, *_ = some(rng, SETTING_PHRASE, (facts.setting,))
    told = "the picture was taken {}"
    return _correction("setting", rng, SETTING_PHRASE[claim], told, SETTING_PHRASE[facts.setting], "picture", "")


def _correction(
    ability: str, rng: Random, claim: str, told: str, value: str, kind: str, error: str, wrong: str = ""
) -> Exchange:
    """Contradict a false claim and say what is true; the wrong response agrees with the claim."""
    asked = {"kind": kind, "claim": claim}
    phrasing = Phrasing(CORRECTIONS[ability], ("{value}.",))
    right = {"value": f"No, {told.format(value)}"}
    agreed = [{"value": f"Yes, {wrong or told.format(claim)}"}] if error else []
    return phrasing.exchange(ability, rng, False, asked, right, agreed, error)


WRITERS = {
    "absent": (absent,),
    "present": (present,),
    "asked of absent": (asked_of_absent,),
    "wrong attribute": (wrong_attribute,),
    "wrong location": (wrong_location,),
    "wrong count": (wrong_count,),
    "wrong word": (wrong_word,),
    "wrong setting": (wrong_setting,),
}
