"""What makes a sample usable: checks every reader applies, so that each family tunes on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vlit.data.images import unreadable
from vlit.data.sample import ImageSource, Rejects, Sample, Turn

Unreadable = Callable[[Iterable[ImageSource]], dict[ImageSource, str]]  # images -> those that can't be decoded, and why

IMAGE_TAG = "<image>"

# Strings that some family's tokenizer turns into a control token. In a user's text they would forge the end of a
# response or an image, so such a sample is set aside for all families alike.
SPECIAL_TOKENS = (IMAGE_TAG, "<s>", "</s>", "<pad>", "<unk>", "<|endofchunk|>", "<|endoftext|>")


class MalformedError(Exception):
    """A sample that can't be used. Readers catch it and add it to the rejects."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def checked_turn(instruction: object, response: object, images: int = 0, supervised: bool = True) -> Turn:
    """Build a turn from texts of unknown worth, stripped of outer white space.

    Raises:
        MalformedError: if a text is not a string, is empty, is not valid Unicode or holds a special token.
    """
    texts = [_checked_text(instruction, "instruction"), _checked_text(response, "response")]
    return Turn(texts[0], texts[1], images, supervised)


def _checked_text(text: object, role: str) -> str:
    if not isinstance(text, str):
        raise MalformedError(f"{role} is not text", repr(text))
    text = text.strip()
    if not text:
        raise MalformedError(f"empty {role}")
    for token in SPECIAL_TOKENS:
        if token in text:
            raise MalformedError("special token in text", f"{token} in {role}")
    try:
        text.encode()
    except UnicodeEncodeError as error:  # JSON admits half of a surrogate pair, tokenizers do not
        raise MalformedError("text is not valid Unicode", f"{role}: {error}") from None
    return text


def keep_readable(samples: list[Sample], rejects: Rejects, check: Unreadable = unreadable) -> list[Sample]:
    """Set aside the samples with an image that can't be decoded, before a loader process finds out.

    Args:
        samples: as read.
        rejects: receives those set aside.
        check: finds the unreadable among images; the default decodes each of them once.
    """
    faults = check(image for sample in samples for image in sample.images)
    kept = []
    for sample in samples:
        fault = next((faults[image] for image in sample.images if image in faults), None)
        if fault is None:
            kept.append(sample)
        else:
            rejects.add(sample.id, "unreadable image", fault)
    return kept


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
