"""What makes a row a sample: declared schemas, and the checks every reader applies, so that families tune alike.

A row has a schema, a `msgspec.Struct`; `checked_row` converts a parsed JSON value to it or says which field does not
fit. Texts have further conditions, those of the tokenizers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from vlit.common.content import RepeatedKeys
from vlit.data.images import unreadable
from vlit.data.sample import ImageSource, Rejects, Sample, Turn

Unreadable = Callable[[Iterable[ImageSource]], dict[ImageSource, str]]  # images -> reasons of the undecodable ones

IMAGE_TAG = "<image>"

# Strings that some family's tokenizer turns into a control token. In a user's text they would forge the end of a
# response or an image, so such a sample is set aside for all families alike.
SPECIAL_TOKENS = (IMAGE_TAG, "<s>", "</s>", "<pad>", "<unk>", "<|endofchunk|>", "<|endoftext|>")

# Who speaks, by the names that files in use give it.
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}

# Letters and symbols that show nothing, besides what Unicode itself classes as format, space or control.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_INVISIBLE = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"))
_VIOLATION = re.compile(r"(?P<what>.*?)(?: - at `\$?\.?(?P<field>[^`]*)`)?$", re.DOTALL)

Kind = TypeVar("Kind", bound=msgspec.Struct)


class MalformedError(Exception):
    """A row that cannot be used. Readers catch it and add it to the rejects.

    Args:
        reason: one of few fixed phrases.
        detail: what exactly.
        field: the field at fault.
    """

    def __init__(self, reason: str, detail: str = "", field: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.field = field


def checked_row(kind: type[Kind], value: object) -> Kind:
    """Convert a parsed JSON value to its schema. Fields the schema does not name are ignored.

    Raises:
        MalformedError: if a field is absent, of another type or no valid Unicode, or a key occurs more than once.
    """
    try:
        return msgspec.convert(value, kind)
    except UnicodeEncodeError as error:  # half of a surrogate pair in a key, or where no text is allowed
        raise MalformedError("text is not valid Unicode", str(error)) from None
    except msgspec.ValidationError as error:
        repeated = _repeated_key(value)  # such an object is no `dict`, and fits no schema
        if repeated is not None:
            raise MalformedError("repeated key", f"{repeated} occurs twice in an object", repeated) from None
        found = _VIOLATION.match(str(error))
        assert found is not None  # the pattern matches every text
        field, what = found["field"] or "", found["what"].replace("`", "")
        absent = re.match(r"Object missing required field (\S+)", what)
        if absent is not None:
            name = f"{field}.{absent[1]}" if field else absent[1]
            raise MalformedError("field absent", name, name) from None
        if not field:
            raise MalformedError("not a sample", what) from None
        raise MalformedError("field of another type", f"{field}: {what}", field) from None


def _repeated_key(value: object) -> str | None:
    """Return a key that occurs twice in one object of a JSON value, at any depth."""
    if isinstance(value, RepeatedKeys):
        keys = [key for key, _ in value]
        return next(key for key in keys if keys.count(key) > 1)
    if isinstance(value, dict):
        return next((found for item in value.values() if (found := _repeated_key(item)) is not None), None)
    if isinstance(value, list):
        return next((found for item in value if (found := _repeated_key(item)) is not None), None)
    return None


def checked_turn(instruction: Any, response: Any, images: int = 0, supervised: bool = True) -> Turn:
    """Build a turn from two texts, stripped of outer white space.

    Raises:
        MalformedError: if a text is not a string, shows nothing, is not valid Unicode or holds a special token.
    """
    return Turn(checked_text(instruction, "instruction"), checked_text(response, "response"), images, supervised)


def checked_text(text: object, role: str) -> str:
    """Return a text without outer white space.

    Args:
        text: what a file gives.
        role: what it is, for the reason.

    Raises:
        MalformedError: as `checked_turn`.
    """
    if not isinstance(text, str):
        raise MalformedError(f"{role} is not text", repr(text), role)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:  # JSON admits half of a surrogate pair, tokenizers do not
            raise MalformedError("text is not valid Unicode", f"{role}: {error}", role) from None
    text = text.strip()
    plain = text[:1].isascii() and text[:1].isalnum()  # most texts: there is no need to look further
    if not plain and not any(map(_visible, text)):
        invisible = f"{len(text)} characters, none of them visible" if text else ""
        raise MalformedError(f"empty {role}", invisible, role)
    if "<" in text:
        for token in SPECIAL_TOKENS:
            if token in text:
                raise MalformedError("special token in text", f"{token} in {role}", role)
    return text


def _visible(character: str) -> bool:
    return character not in _BLANK and unicodedata.category(character) not in _INVISIBLE


def keep_readable(samples: list[Sample], rejects: Rejects, check: Unreadable | None = unreadable) -> list[Sample]:
    """Set aside the samples with an image that cannot be decoded, before a run depends on them.

    Args:
        samples: samples as read.
        rejects: receives those set aside.
        check: finds the images that cannot be decoded, by default by decoding each once; None checks nothing.
    """
    faults = {} if check is None else check(image for sample in samples for image in sample.images)
    kept = []
    for sample in samples:
        fault = next((faults[image] for image in sample.images if image in faults), None)
        if fault is None:
            kept.append(sample)
        else:
            rejects.add(sample.id, "unreadable image", fault, place=sample.place)
    return kept


Pair = tuple[object, object]  # instruction and response, not yet checked


class Message(msgspec.Struct):
    """A message of a conversation: who speaks (`from`) and what (`value`)."""

    from_: str = msgspec.field(name="from")
    value: Any = None


def pairs_from_messages(messages: Sequence[Message]) -> list[Pair]:
    """Pair each message of the user with the assistant's after it; see `ROLES` for the names they have in files.

    Raises:
        MalformedError: if there is no message or they do not alternate, the user first and the assistant last.
    """
    if not messages:
        raise MalformedError("no conversation", field="conversations")
    roles = [ROLES.get(message.from_.lower(), message.from_) for message in messages]
    if len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
        shown = " ".join(message.from_ for message in messages)
        raise MalformedError("turns do not alternate", f"roles: {shown}", "conversations")
    return [(messages[at].value, messages[at + 1].value) for at in range(0, len(messages), 2)]


def turns_of(pairs: Sequence[Pair], images: int) -> tuple[Turn, ...]:
    """Build checked turns; an image tag, wherever it stands in an instruction, moves to the front of its turn.

    Images that no instruction tags come before the first turn.

    Raises:
        MalformedError: if a turn is unusable, or the number of tags is neither zero nor the number of images.
    """
    if not pairs:
        raise MalformedError("no conversation", field="conversations")
    tags = [text.count(IMAGE_TAG) if isinstance(text, str) else 0 for text, _ in pairs]
    if not any(tags):
        tags[0] = images
    if sum(tags) != images:
        raise MalformedError("image tags differ from images", f"{sum(tags)} tags, {images} images")
    return tuple(
        checked_turn(text.replace(IMAGE_TAG, "") if isinstance(text, str) else text, response, count)
        for (text, response), count in zip(pairs, tags, strict=True)
    )
