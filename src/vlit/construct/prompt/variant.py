"""One way of asking for conversations: a system prompt, and what is repeated of it at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from vlit.errors import InputError

FILES = ("global", "negative", "region")  # the three files of COCO_ARC


@dataclass(frozen=True)
class Variant:
    """A system prompt (paper section A.2.2).

    Attributes:
        name: of the variant; also the `instruction_type` of its conversations.
        file: the COCO_ARC file they go to; those of "region" are about an object marked by a box.
        opening: who the model is and what it is to do.
        requirements: numbered after the opening.
        reminder: key points, repeated after the description (section 4.2.2).
        least_turns: a shorter conversation is rejected.
    """

    name: str
    file: str
    opening: str
    requirements: Sequence[str]
    reminder: str
    least_turns: int = 1

    def __post_init__(self) -> None:
        if self.file not in FILES:
            raise InputError(f"prompt {self.name}: file {self.file!r} is unknown, choose from {', '.join(FILES)}")

    @cached_property
    def system(self) -> str:
        """The system prompt."""
        numbered = (f"{number}. {requirement.strip()}" for number, requirement in enumerate(self.requirements, start=1))
        return " ".join([self.opening.strip(), *numbered])

    @property
    def digest(self) -> str:
        """Hash of everything a change of which changes what is asked."""
        return hashlib.sha256(f"{self.system}\n{self.reminder}".encode()).hexdigest()
