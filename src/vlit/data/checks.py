"""What makes a sample usable: checks every reader applies, so that each family tunes on the same samples."""

from __future__ import annotations

from vlit.data.images import unreadable
from vlit.data.rejects import Rejects
from vlit.data.sample import Sample, Turn

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


def keep_readable(samples: list[Sample], rejects: Rejects, threads: int = 8) -> list[Sample]:
    """Decode every image and set aside the samples with one that can't be, before a worker stumbles over it."""
    faults = unreadable((image for sample in samples for image in sample.images), threads)
    kept = []
    for sample in samples:
        fault = next((faults[image] for image in sample.images if image in faults), None)
        if fault is None:
            kept.append(sample)
        else:
            rejects.add(sample.id, "unreadable image", fault)
    return kept
