"""From a file's list of messages to checked turns: what the LLaVA and COCO_ARC formats have in common."""

from __future__ import annotations

from collections.abc import Sequence

from vlit.data.checks import IMAGE_TAG, MalformedError, checked_turn
from vlit.data.sample import Turn

Pair = tuple[object, object]  # instruction and response, not yet checked


def pairs_from_messages(messages: object) -> list[Pair]:
    """Pair `{"from": "human", "value": ...}` with the `{"from": "gpt", "value": ...}` after it.

    Raises:
        MalformedError: if there is no message or they don't alternate, human first and gpt last.
    """
    if not isinstance(messages, list) or not messages:
        raise MalformedError("no conversation")
    roles = [message.get("from") if isinstance(message, dict) else None for message in messages]
    if len(roles) % 2 or roles != ["human", "gpt"] * (len(roles) // 2):
        raise MalformedError("turns do not alternate", "roles: " + " ".join(map(str, roles)))
    values = [message.get("value") for message in messages]
    return list(zip(values[::2], values[1::2], strict=True))


def turns_of(pairs: Sequence[Pair], images: int) -> tuple[Turn, ...]:
    """Build checked turns; an image tag, wherever it stands in an instruction, moves to the front of its turn.

    Images that no instruction tags come before the first turn.

    Raises:
        MalformedError: if a turn is unusable, or the number of tags is neither zero nor the number of images.
    """
    if not pairs:
        raise MalformedError("no conversation")
    tags = [text.count(IMAGE_TAG) if isinstance(text, str) else 0 for text, _ in pairs]
    if not any(tags):
        tags[0] = images
    if sum(tags) != images:
        raise MalformedError("image tags differ from images", f"{sum(tags)} tags, {images} images")
    return tuple(
        checked_turn(text.replace(IMAGE_TAG, "") if isinstance(text, str) else text, response, count)
        for (text, response), count in zip(pairs, tags, strict=True)
    )
