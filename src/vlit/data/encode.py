"""Prompt pieces to token ids and labels, which are made together, piece by piece, and never searched for afterwards.

A piece is tokenised on its own, yet it must get the tokens it has inside the whole prompt. SentencePiece tokenizers
(Llama) add a space before any text, and some do so again after each control token. So a piece is tokenised behind an
anchor, whose tokens are then cut off: behind a control token if that precedes the piece, behind a line break if text
does, and bare at the start. The anchor never depends on the neighbouring text: an answer has the same tokens after any
question, in tuning and in the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from vlit.common.errors import InputError
from vlit.data.templates import IMAGE, Piece

IGNORED = -100  # label of a token that is read but not learned: `ignore_index` of torch's cross entropy

_TEXT_ANCHOR = "\n"


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that is used here."""

    bos_token_id: int | None
    eos_token: str | None
    eos_token_id: int | None
    unk_token: str | None
    unk_token_id: int | None
    all_special_ids: list[int]

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the token ids of a text."""

    def convert_tokens_to_ids(self, tokens: str) -> int | None:
        """Return the id of one token; the unknown token's id or None if it is not in the vocabulary."""


class NoSupervisedToken(InputError):  # noqa: N818 - the base class is an Error already
    """A sample without a supervised token; a mean over its labels would be 0/0."""


class UnusableText(InputError):  # noqa: N818
    """A text that this tokenizer cannot separate from control tokens or from the text before it."""


@dataclass(frozen=True)
class Encoded:
    """One sequence of T tokens.

    Attributes:
        input_ids: T token ids.
        labels: T labels, each the id in its place or `IGNORED`.
        images: number of images in the sequence, the sample's first ones; fewer than it has where it was cut.
        truncated: whether the sequence was cut to `max_length`.
        lost: number of tokens cut off.
    """

    input_ids: list[int]
    labels: list[int]
    images: int
    truncated: bool = False
    lost: int = 0


@dataclass(frozen=True)
class Encoder:
    """Turns prompt pieces into a sequence, with one model's tokenizer and image tokens.

    Attributes:
        tokenizer: a Hugging Face tokenizer with an end-of-sequence token.
        image_token_id: id of the token in whose places the image features go.
        tokens_per_image: copies of it per image: 256 patches for LLaVA, 32 queries for BLIP-2, 1 for Flamingo.
        max_length: largest number of tokens; longer sequences are cut at the end.
        add_bos: whether the text begins with the bos token, which comes after leading images (as in BLIP-2).
    """

    tokenizer: Tokenizer
    image_token_id: int
    tokens_per_image: int
    max_length: int
    add_bos: bool

    def __call__(self, pieces: Sequence[Piece], name: str = "prompt") -> Encoded:
        """Encode pieces that need no supervised token, such as a benchmark question.

        Raises:
            UnusableText: naming `name`, if a text contains a control token.
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
        """Encode a sample that is tuned on.

        Raises:
            NoSupervisedToken: naming the sample, if it has no supervised token or all of them were cut.
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
                f"{name}: its text contains a control token of the tokenizer (ids {sorted(forged)}): remove it"
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
        return Encoded(ids[:length], labels[:length], kept, truncated=True, lost=len(ids) - length)

    def _tokenize(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _special_id(self, token: str) -> int:
        found = self.tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == self.tokenizer.unk_token_id and token != self.tokenizer.unk_token):
            raise InputError(f"the tokenizer has no token {token}, which the template needs: add it to the tokenizer")
        return found

    def _bos(self) -> int:
        if self.tokenizer.bos_token_id is None:
            raise InputError("the tokenizer has no bos token: set add_bos=false")
        return self.tokenizer.bos_token_id

    def _eos(self) -> str:
        if self.tokenizer.eos_token is None:
            raise InputError("the tokenizer has no eos token, which text is tokenised behind: give it one")
        return self.tokenizer.eos_token

    @cached_property
    def _control_ids(self) -> frozenset[int]:
        """Return the ids that no plain text may produce.

        The unknown token's id is not among them, as any text can contain an unknown character; unless it is also the
        end token, as in byte-level vocabularies (OPT, MPT), which know every character.
        """
        tokenizer = self.tokenizer
        harmless = {tokenizer.unk_token_id} - {tokenizer.bos_token_id, tokenizer.eos_token_id}
        return frozenset(tokenizer.all_special_ids) - harmless | {self.image_token_id}
