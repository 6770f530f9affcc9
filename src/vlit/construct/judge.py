"""From replies to accepted conversations; each candidate that is not accepted is kept with the reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlit.construct.generate import Reply
from vlit.construct.parse import Rules, Turn, Unparsable, first_alike, parse_reply
from vlit.construct.prompt import Request
from vlit.construct.sources import Word


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
