"""Descriptions of a whole image, out of its captions and boxes."""

from __future__ import annotations

import re
from random import Random

from vlit.mini.datasets.abilities import MAX_ALTERNATIVES, choose, other_counts, some
from vlit.mini.datasets.exchange import DESCRIPTION, Exchange
from vlit.mini.datasets.facts import ImageFacts
from vlit.mini.datasets.phrases import inventory
from vlit.mini.world.vocabulary import KINDS, with_article
from vlit.mini.world.wording import capitalised, sentence

BRIEF = (
    "What is shown in this image?",
    "Describe the image briefly.",
    "Give a short caption for this picture.",
    "What do you see in the picture?",
)
DETAILED = (
    "Describe the following image in detail.",
    "Can you give a detailed description of the image?",
    "Explain everything you see in this picture.",
    "Write a thorough description of the scene.",
)
MAX_WORDS = 80  # of a detailed description


def brief(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Answer with one caption; a wrong answer names an object the image does not have."""
    caption = choose(rng, facts.annotations.captions)
    if caption is None:
        return None
    wrong = tuple(_with_other_kind(caption, facts, rng))
    return Exchange(DESCRIPTION, rng.choice(BRIEF), _sentence(caption), "object" if wrong else "", wrong)


def detailed(facts: ImageFacts, rng: Random, short: bool) -> Exchange | None:
    """Answer with a paragraph: two captions, everything counted, where single objects are."""
    captions = list(dict.fromkeys(facts.annotations.captions))
    if not captions or not facts.counts:
        return None
    opening = [_sentence(caption) for caption in rng.sample(captions, min(2, len(captions)))]
    placed = [(name, place) for thing, name in facts.named() if (place := facts.place(thing)) is not None]
    closing = [
        sentence(f"{name} is in the {place} of the image") for name, place in rng.sample(placed, min(2, len(placed)))
    ]

    def paragraph(counts: dict[str, int]) -> str:
        return _up_to(MAX_WORDS, [*opening, f"In total, the image contains {inventory(counts)}.", *closing])

    kind = rng.choice(list(facts.counts))
    miscounted = [{**facts.counts, kind: count} for count in other_counts(rng, facts.counts[kind])]
    right, *wrong = map(paragraph, [facts.counts, *miscounted])
    alternatives = tuple(text for text in wrong if text != right)
    return Exchange(DESCRIPTION, rng.choice(DETAILED), right, "count" if alternatives else "", alternatives)


def _with_other_kind(caption: str, facts: ImageFacts, rng: Random) -> list[str]:
    """Rewrite a caption with a kind that it names replaced by kinds that are absent from the image."""
    named = choose(rng, [kind for kind in facts.counts if re.search(rf"\b{kind}\b", caption)])
    if named is None:
        return []
    replaced = []
    for other in some(rng, facts.absent(KINDS))[:MAX_ALTERNATIVES]:
        text = re.sub(rf"\ban? {named}\b", with_article(other), caption)
        text = re.sub(rf"\bAn? {named}\b", capitalised(with_article(other)), text)
        replaced.append(_sentence(re.sub(rf"\b{named}\b", other, text)))
    return replaced


def _sentence(caption: str) -> str:
    return sentence(caption.rstrip(". "))


def _up_to(words: int, sentences: list[str]) -> str:
    """Join sentences as long as they stay within a number of words; the first always stays."""
    text = sentences[0]
    for further in sentences[1:]:
        if len(f"{text} {further}".split()) <= words:
            text = f"{text} {further}"
    return text
