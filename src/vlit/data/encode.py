"""From pieces to token ids and labels. Labels come with the ids, piece by piece, and are never searched for afterwards.

A piece is tokenised on its own, yet it must get the tokens it has inside the whole prompt. SentencePiece tokenizers
(Llama) put a space before any text they are given, and some do so again after each control token. So a piece is
tokenised behind an anchor, whose tokens are then cut off: behind a control token if that is what precedes the piece,
behind a line break if text does, and bare at the start. The anchor never depends on the neighbouring text: an answer
has the same tokens after any question, in tuning as in the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from vlit.common.errors import InputError
from vlit.data.templates import IMAGE, Piece

IGNORED = -100  # the label cross entropy skips

_TEXT_ANCHOR = "\n"


class Tokenizer(Protocol):
    """What is used of a Hugging Face tokenizer."""

    bos_token_id: Any
    eos_token: Any
    eos_token_id: Any
    unk_token: Any
    unk_token_id: Any
    all_special_ids: Any

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Token ids of a text."""

    def convert_tokens_to_ids(self, tokens: str) -> Any:
        """The id of one token, the unknown token's or None if there is none."""


class NoSupervisedToken(InputError):  # noqa: N818 - says what is wrong, as its kind of error already does
    """Nothing to learn from is left of a sample; a mean over its labels would be 0/0."""


class UnusableText(InputError):  # noqa: N818
    """A text that this tokenizer can't keep apart from control tokens or from the text before it."""


@dataclass(frozen=True)
class Encoded:
    """One sequence. `input_ids` and `labels` are equally long; a label is the id itself or `IGNORED`.

    `images` of the sample's images are in the sequence, the first ones; fewer than it has if it was cut.
    """

    input_ids: list[int]
    labels: list[int]
    images: int
    truncated: bool = False


@dataclass(frozen=True)
class Encoder:
    """How one model's tokenizer and image tokens turn pieces into a sequence.

    Attributes:
        tokenizer: a Hugging Face tokenizer with an end-of-sequence token.
        image_token_id: stands for image features.
        tokens_per_image: that many copies of it an image: 256 patches for LLaVA, 32 queries for BLIP-2, 1 for Flamingo.
        max_length: longer sequences are cut at the end.
        add_bos: begin the text with the tokenizer's bos token: after leading images (as BLIP-2 has it), else first.
    """

    tokenizer: Tokenizer
    image_token_id: int
    tokens_per_image: int
    max_length: int
    add_bos: bool

    def __call__(self, pieces: Sequence[Piece], name: str = "prompt") -> Encoded:
        """Encode pieces that may hold nothing supervised, such as a benchmark question.

        Raises:
            UnusableText: naming `name`, if a text would become a control token.
            InputError: if a control token the template needs is not in the vocabulary.
        """
        ids: list[int] = []
        labels: list[int] = []
        image_ends: list[int] = []
        bos_due = self.add_bos
        before: Piece | None = None
        for piece in pieces:
            if bos_due and piece != IMAGE:
                ids.append(self._bos())
                labels.append(IGNORED)
                bos_due = False
            new = self._piece_ids(piece, before, name)
            ids += new
            labels += new if piece.supervised else [IGNORED] * len(new)
            if piece == IMAGE:
                image_ends.append(len(ids))
            before = piece
        return self._cut(ids, labels, image_ends)

    def training(self, pieces: Sequence[Piece], name: str) -> Encoded:
        """Encode a sample to learn from.

        Raises:
            NoSupervisedToken: naming the sample, if it has no supervised token or cutting took them all.
            UnusableText, InputError: as in `__call__`.
        """
        encoded = self(pieces, name)
        if all(label == IGNORED for label in encoded.labels):
            why = f"none is within max_length={self.max_length}: raise it" if encoded.truncated else "no turn has any"
            raise NoSupervisedToken(f"sample {name} has no supervised token: {why} or leave the sample out")
        return encoded

    def _piece_ids(self, piece: Piece, before: Piece | None, name: str) -> list[int]:
        if piece == IMAGE:
            return [self.image_token_id] * self.tokens_per_image
        if piece.special:
            return [self._special_id(piece.text)]
        ids = self._text_ids(piece.text, before, name)
        forged = self._control_ids.intersection(ids)
        if forged:
            raise UnusableText(
                f"{name}: its text holds a control token of the tokenizer (ids {sorted(forged)}): remove it"
            )
        return ids

    def _text_ids(self, text: str, before: Piece | None, name: str) -> list[int]:
        if not text:
            return []
        if before is None:
            return self._tokenize(text)
        anchor = self._eos() if before.special else _TEXT_ANCHOR
        head = self._tokenize(anchor)
        ids = self._tokenize(anchor + text)
        if ids[: len(head)] != head:
            raise UnusableText(
                f"{name}: the tokenizer joins {anchor!r} to what follows it, {text[:40]!r}: change its beginning"
            )
        return ids[len(head) :]

    def _cut(self, ids: list[int], labels: list[int], image_ends: list[int]) -> Encoded:
        """Cut to `max_length`, and before an image that would be cut in two."""
        if len(ids) <= self.max_length:
            return Encoded(ids, labels, len(image_ends))
        kept = sum(end <= self.max_length for end in image_ends)
        length = self.max_length
        if kept < len(image_ends):
            length = min(length, image_ends[kept] - self.tokens_per_image)
        return Encoded(ids[:length], labels[:length], kept, truncated=True)

    def _tokenize(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _special_id(self, token: str) -> int:
        found = self.tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == self.tokenizer.unk_token_id and token != self.tokenizer.unk_token):
            raise InputError(f"the tokenizer has no token {token}, which the template needs: add it to the tokenizer")
        return int(found)

    def _bos(self) -> int:
        if self.tokenizer.bos_token_id is None:
            raise InputError("the tokenizer has no bos token: set add_bos=false")
        return int(self.tokenizer.bos_token_id)

    def _eos(self) -> str:
        if self.tokenizer.eos_token is None:
            raise InputError("the tokenizer has no eos token, behind which text is tokenised: give it one")
        return str(self.tokenizer.eos_token)

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        """Ids no plain text may give.

        The unknown token's is none, as any text can hold an unknown character; unless it is also the end token, as in
        byte-level vocabularies (OPT, MPT), which know every character.
        """
        tokenizer = self.tokenizer
        harmless = {tokenizer.unk_token_id} - {tokenizer.bos_token_id, tokenizer.eos_token_id}
        return frozenset(tokenizer.all_special_ids) - harmless | {self.image_token_id}
