"""From replies to accepted conversations; each candidate that is not accepted is kept with the reason."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlit.construct.parse import Turn, Unparsable, parse_reply
from vlit.construct.prompts import Request
from vlit.construct.sources.image import Word
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
    """What is not for the dataset: one candidate, a whole request (`candidate` is None) or image (`variant` too)."""

    image_id: int
    variant: str | None
    candidate: int | None
    reason: str
    text: str = ""


@dataclass(frozen=True)
class Judgement:
    """All that was accepted, in the order of images, variants and candidates, and all that was rejected."""

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
    """The reason without what differs from case to case, for counting."""
    return "near-duplicate" if reason.startswith("near-duplicate") else reason


def per_image(judgement: Judgement, image_ids: Sequence[int]) -> Mapping[int, tuple[int, list[str]]]:
    """Number of accepted conversations, and reasons of everything rejected, by image id."""
    ends: dict[int, tuple[int, list[str]]] = {image_id: (0, []) for image_id in image_ids}
    for each in judgement.accepted:
        count, reasons = ends[each.request.image.image_id]
        ends[each.request.image.image_id] = count + 1, reasons
    for fault in judgement.rejected:
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
    """What a conversation must keep to.

    Attributes:
        forbidden: phrases, in lower case, that betray the text the model was given instead of an image.
        region_words: one of these words, or the name of the marked object, must occur in a region conversation.
        near_duplicate: overlap of two conversations about one image from which the later one is dropped.
    """

    forbidden: Sequence[str]
    region_words: Sequence[str]
    near_duplicate: float

    def broken(self, turns: Sequence[Turn], least: int, region_name: str | None) -> str | None:
        """The first rule a conversation breaks, as a reason for its rejection; None if it keeps to all.

        Args:
            turns: the conversation. That it starts with the user is seen to by the parser.
            least: fewest turns.
            region_name: what the marked object is called, for a region conversation.
        """
        if any({turn.user.lower(), turn.ai.lower()} & PLACEHOLDERS for turn in turns):
            return "repeats the format instead of filling it"
        said = " ".join(f"{turn.user} {turn.ai}" for turn in turns).lower()
        betrayed = next((phrase for phrase in self.forbidden if _occurs(phrase, said)), None)
        if betrayed is not None:
            return f"speaks of {betrayed!r}"
        if len(turns) < least:
            return f"fewer than {least} turns"
        if region_name is not None and not any(_occurs(word, said) for word in (*self.region_words, region_name)):
            return "does not name the region"
        return None


def _occurs(phrase: str, text: str) -> bool:
    return re.search(rf"\b{re.escape(phrase.lower())}\b", text) is not None


SHINGLE = 3  # words


def first_alike(conversations: Sequence[Sequence[Turn]], threshold: float) -> list[int | None]:
    """For each conversation, the number of the first kept one that it is nearly the same as; None if it is kept.

    Two are nearly the same if the share of their three-word sequences they have in common (Jaccard) reaches
    `threshold`.
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
    """Word sequences within a question or an answer; a shorter one counts as a whole. The order of turns is free."""
    texts = [text.lower().split() for turn in turns for text in (turn.user, turn.ai)]
    return frozenset(
        tuple(words[at : at + SHINGLE]) for words in texts for at in range(max(1, len(words) - SHINGLE + 1))
    )


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)
