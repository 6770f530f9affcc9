"""Select conversations among the replies; each candidate that is not accepted is kept with the reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlit.construct.parse import Unparsable, parse_reply
from vlit.construct.prompts import Request
from vlit.construct.sources.image import Word
from vlit.data.sample import Turn
from vlit.llm.request import Reply


@dataclass(frozen=True)
class Accepted:
    """A conversation for the dataset: candidate `candidate` (from 0) of a request."""

    request: Request
    candidate: int
    turns: tuple[Turn, ...]
    repairs: tuple[str, ...]


@dataclass(frozen=True)
class Rejected:
    """A candidate, a whole request or a whole image that is not in the dataset.

    Attributes:
        image_id: id of the image.
        variant: name of the prompt variant; None for a whole image.
        candidate: number of the candidate, from 0; None for a whole request or image.
        reason: why it was rejected.
        text: the candidate as the model wrote it.
    """

    image_id: int
    variant: str | None
    candidate: int | None
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Judgement:
    """Everything accepted, in the order of images, variants and candidates, and everything rejected."""

    accepted: Sequence[Accepted]
    rejected: Sequence[Rejected]


def judge(answered: Sequence[tuple[Request, Reply]], rules: Rules) -> Judgement:
    """Parse every candidate, check it against the rules, and drop near-duplicates among those of one image."""
    passed: dict[int, list[tuple[Accepted, str]]] = defaultdict(list)
    rejected: list[Rejected] = []
    for request, reply in answered:
        image_id, variant = request.image.image_id, request.variant.name
        if reply.error is not None:
            rejected.append(Rejected(image_id, variant, None, f"no reply: {reply.error}"))
        for number, text in enumerate(reply.texts):
            verdict = _judged(request, number, text, rules)
            if isinstance(verdict, str):
                rejected.append(Rejected(image_id, variant, number, verdict, text))
            else:
                passed[image_id].append((verdict, text))
    accepted: list[Accepted] = []
    for image_id, conversations in passed.items():
        alike = first_alike([each.turns for each, _ in conversations], rules.near_duplicate)
        for (each, text), earlier in zip(conversations, alike, strict=True):
            if earlier is None:
                accepted.append(each)
                continue
            like, _ = conversations[earlier]
            reason = f"near-duplicate of {like.request.variant.name}, candidate {like.candidate}"
            rejected.append(Rejected(image_id, each.request.variant.name, each.candidate, reason, text))
    return Judgement(accepted, rejected)


def reason_class(reason: str) -> str:
    """Return the reason without what differs from case to case, for counting."""
    if reason.startswith("annotation: "):
        return ": ".join(reason.split(": ")[:2])
    classes = ("near-duplicate", "no image file", "unreadable image", "unusable file name")
    return next((known for known in classes if reason.startswith(known)), reason)


def per_image(judgement: Judgement, image_ids: Sequence[int]) -> Mapping[int, tuple[int, list[str]]]:
    """Count accepted conversations and collect the reasons of everything rejected, by image id."""
    ends: dict[int, tuple[int, list[str]]] = {image_id: (0, []) for image_id in image_ids}
    for each in judgement.accepted:
        count, reasons = ends[each.request.image.image_id]
        ends[each.request.image.image_id] = count + 1, reasons
    for fault in judgement.rejected:
        if fault.image_id in ends:  # an annotation may name an image that is not listed
            ends[fault.image_id][1].append(fault.reason)
    return ends


def _judged(request: Request, number: int, text: str, rules: Rules) -> Accepted | str:
    parsed = parse_reply(text)
    if isinstance(parsed, Unparsable):
        return parsed.reason
    region = request.region
    name = None if region is None else region.text if isinstance(region, Word) else region.kind
    broken = rules.broken(parsed.turns, request.variant.least_turns, name)
    return broken or Accepted(request, number, parsed.turns, parsed.repairs)


PLACEHOLDERS = {"question?", "question", "answer.", "answer", "...", "…"}


@dataclass(frozen=True)
class Rules:
    """The rules that a conversation is checked against.

    Attributes:
        forbidden: phrases in lower case which show that the model was given a text instead of an image.
        region_words: words of which one, or the name of the marked object, must occur in a region conversation.
        near_duplicate: overlap of two conversations about one image (Jaccard index of their three-word sequences) from
            which the later one is dropped.
    """

    forbidden: Sequence[str]
    region_words: Sequence[str]
    near_duplicate: float

    def broken(self, turns: Sequence[Turn], least: int, region_name: str | None) -> str | None:
        """Return the first rule a conversation breaks, as a reason for its rejection; None if it breaks none.

        Args:
            turns: the conversation; the parser has checked that it starts with the user.
            least: fewest turns.
            region_name: name of the marked object, for a region conversation.
        """
        if any({turn.instruction.lower(), turn.response.lower()} & PLACEHOLDERS for turn in turns):
            return "repeats the format instead of filling it"
        text = " ".join(f"{turn.instruction} {turn.response}" for turn in turns).lower()
        phrase = next((phrase for phrase in self.forbidden if _occurs(phrase, text)), None)
        if phrase is not None:
            return f"mentions {phrase!r}"
        if len(turns) < least:
            return f"fewer than {least} turns"
        if region_name is not None and not any(_occurs(word, text) for word in (*self.region_words, region_name)):
            return "does not name the region"
        return None


def _occurs(phrase: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(phrase.lower())}\b", text) is not None


SHINGLE = 3  # words


def first_alike(conversations: Sequence[Sequence[Turn]], threshold: float) -> list[int | None]:
    """Return for each conversation the number of the first kept one that it nearly repeats; None if it is kept.

    Two are near-duplicates if the Jaccard index of their sets of three-word sequences reaches `threshold`.
    """
    kept: list[tuple[int, frozenset[tuple[str, ...]]]] = []
    alike: list[int | None] = []
    for number, turns in enumerate(conversations):
        shingles = _shingles(turns)
        found = next((other for other, those in kept if _jaccard(shingles, those) >= threshold), None)
        if found is None:
            kept.append((number, shingles))
        alike.append(found)
    return alike


def _shingles(turns: Sequence[Turn]) -> frozenset[tuple[str, ...]]:
    """Return the word sequences within questions and answers; a shorter text is one. The order of turns is ignored."""
    texts = [text.lower().split() for turn in turns for text in (turn.instruction, turn.response)]
    return frozenset(
        tuple(words[at : at + SHINGLE]) for words in texts for at in range(max(1, len(words) - SHINGLE + 1))
    )


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
