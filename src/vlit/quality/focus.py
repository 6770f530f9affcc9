"""What a question asks for, found by its grammar: tasks in a dataset's own words.

Offline there is no language model to name tasks. The *focus* of a question does so instead: "color" of "What color is
the cup?" and of "What is the color of the cup?", "number" of "How many cups are there?", "where", "describe".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from vlit.quality.parsers import NOUN_TAGS, load_spacy

WHETHER = "whether"  # the focus of a question that is answered by yes or no
NUMBER = "number"
_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_AGREED = re.compile(
    r"(?:\b(?:do|would) you agree|\bis (?:that|this) (?:correct|right|true)|[,;] ?(?:right|correct|true)"
    r"|\w+n['’]t (?:it|they|he|she|there|you)|\w+ (?:it|they|he|she) not)\?\W*$"
)
_AUXILIARY = frozenset(
    "is are was were am be do does did can could will would shall should may might must has have had".split()  # noqa: SIM905
)
_REFUSED = ("n't", "n’t")  # "isn't"


class FocusLabeller:
    """Finds the focus of questions with spaCy's dependency parse.

    Args:
        model: package of a spaCy pipeline, as for `SpacyParser`.
        batch_size: texts at once.

    Raises:
        InputError: if spaCy or the pipeline is not installed.
    """

    def __init__(self, model: str = "en_core_web_sm", batch_size: int = 128) -> None:
        self.pipeline = load_spacy(model)
        self.batch_size = batch_size
        self.key = f"focus|{self.pipeline.meta['name']}|{self.pipeline.meta['version']}"

    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Return the focus of each text, a word in lower case; each distinct text is parsed once."""
        asked = {text: _last_sentence(text) for text in texts}
        distinct = sorted(set(asked.values()), key=lambda text: (len(text), text))
        found: dict[str, str] = {}
        for start in range(0, len(distinct), self.batch_size):
            some = distinct[start : start + self.batch_size]
            documents = [self.pipeline.make_doc(text) for text in some]
            for _, component in self.pipeline.pipeline:
                component.set_annotations(documents, component.predict(documents))
            found.update((text, focus(document)) for text, document in zip(some, documents, strict=True))
        return [WHETHER if _AGREED.search(text.lower()) else found[asked[text]] for text in texts]


def _last_sentence(text: str) -> str:
    sentences: Iterable[str] = reversed(_SENTENCES.split(text.strip()))
    return next((sentence for sentence in sentences if re.search(r"\w", sentence)), text)


def focus(document: Any) -> str:
    """Return the focus of one parsed sentence.

    A yes-or-no question has `WHETHER`, one of number `NUMBER`. A wh-question has the noun that goes with its wh-word
    ("which color", "what is the color of"), else the adjective or verb that is asked about, else the wh-word; any other
    text the verb that it begins with.
    """
    words = [token for token in document if token.text[:1].isalnum()]
    is_question = document.text.rstrip().endswith("?")
    if not words or (_is_auxiliary(words[0]) and is_question):
        return WHETHER
    asking = next((token for token in words if token.tag_ in ("WP", "WDT", "WRB", "WP$")), None)
    if asking is None or (asking.i > words[0].i and not is_question):
        return str(next((word.text.lower() for word in words if word.dep_ == "ROOT"), words[0].text.lower()))
    word = str(asking.text.lower())
    if word == "how":
        return _of_how(asking)
    return _of_what(asking) if word in ("what", "which") else word


def _is_auxiliary(token: Any) -> bool:
    return token.text.lower().removesuffix(_REFUSED[0]).removesuffix(_REFUSED[1]) in _AUXILIARY


def _of_how(asking: Any) -> str:
    """Return the focus of "how many", "how big", "how do they interact"."""
    follows = asking.nbor().text.lower() if asking.i + 1 < len(asking.doc) else ""
    if follows in ("many", "much"):
        return NUMBER
    head = asking.head
    return "how" if head.text.lower() in _AUXILIARY else str(head.text.lower())


def _of_what(asking: Any) -> str:
    """Return the focus of "what color", "what is the color of", "what would be most useful", "what is written"."""
    head, follows = asking.head, asking.nbor() if asking.i + 1 < len(asking.doc) else asking
    beside = follows if follows.tag_ in NOUN_TAGS else head if asking.dep_ in ("det", "nmod", "compound") else None
    nouns = [child for child in head.children if child.dep_ in ("nsubj", "attr") and child.tag_ in NOUN_TAGS]
    if beside is None and nouns and head.text.lower() in _AUXILIARY:
        beside = nouns[0]
    if beside is not None and beside.tag_ in NOUN_TAGS:
        noun = _of_kind(beside)
        return NUMBER if noun in ("number", "total", "count") else noun
    adjective = next((child for child in head.children if child.dep_ == "acomp"), None)
    if adjective is not None:
        return str(adjective.text.lower())
    return str((asking if head.text.lower() in _AUXILIARY else head).text.lower())


def _of_kind(noun: Any) -> str:
    """Return a noun, or the one that it is a kind of: "place" of "what kind of place"."""
    within = next((child for child in noun.children if child.text.lower() == "of"), None)
    inner = next((child for child in within.children if child.tag_ in NOUN_TAGS), None) if within is not None else None
    generic = noun.text.lower() in ("kind", "kinds", "sort", "type", "types")
    return str((inner if generic and inner is not None else noun).text.lower())
