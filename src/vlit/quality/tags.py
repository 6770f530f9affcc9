"""The tag system of task diversity, in TagGPT's manner (paper 4.2.3): tags are proposed, and the good ones kept.

A model proposes tags for the instructions and a tag system keeps those that cover enough samples and differ enough from
each other; the statistic of T then assigns one to each instruction. With a language model the proposals are its own
words (`tag_system`). Offline they are the dataset's: the focus of each question ("color", "where"), and foci whose
questions and answers mean alike are one tag (`focus_system`): "where" and "position", "number" and "count".
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from vlit.common.errors import InputError
from vlit.data.sample import Sample
from vlit.llm.cache import CachedModel
from vlit.llm.request import Prompt, RequestFailed
from vlit.quality.instruments import Encode, Instruments, Labeller, TagSystem
from vlit.quality.statistics import MeasureFault, instructions, request_fault
from vlit.quality.wording import questions

PROPOSE = (
    "You label instructions about images with the task they set. Reply with one to three short task names, "
    "separated by commas, most fitting first, and nothing else.\n"
    "Instruction: How many cups are on the table?\nTasks: object counting\n"
    "Instruction: Why might the man be smiling?\nTasks: visual reasoning, emotion recognition"
)


@dataclass(frozen=True)
class TagSettings:
    """Thresholds of the tag system.

    Attributes:
        coverage: least share of samples that a tag is proposed for, and of samples of a task that counts.
        redundancy: least cosine at which two tags of a language model are one.
        likeness: least mean cosine of the questions and answers of two foci that are one tag, offline.
        most: tags kept at most.
        selective: whether a language model assigns tasks by picking from the tags, or names them freely.
    """

    coverage: float = 0.01
    redundancy: float = 0.8
    likeness: float = 0.65
    most: int = 30
    selective: bool = True


class FocusTags:
    """The statistic of proposals offline: the focus of each instruction's first question."""

    name = "tags"
    schema = pa.schema([("tags", pa.list_(pa.string()))])

    def __init__(self, labeller: Labeller) -> None:
        self.labeller, self.key = labeller, labeller.key

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return one focus for each instruction of each sample."""
        return [{"tags": foci} for foci in first_foci(self.labeller, samples)]


def first_foci(labeller: Labeller, samples: Sequence[Sample]) -> list[list[str]]:
    """Return, for each sample, the focus of the first question of each of its instructions."""
    asked = [[questions(text)[0] for text in instructions(sample)] for sample in samples]
    found = iter(labeller([text for texts in asked for text in texts]))
    return [[next(found) for _ in texts] for texts in asked]


class ProposedTags:
    """The statistic of proposals by a language model."""

    name = "tags"
    schema = FocusTags.schema

    def __init__(self, llm: CachedModel) -> None:
        self.llm = llm
        self.key = f"llm|{llm.key}|{PROPOSE}"

    def prompts(self, sample: Sample) -> list[Prompt]:
        """Return one prompt for each instruction."""
        return [self.llm.prompt(PROPOSE, f"Instruction: {text}\nTasks:") for text in instructions(sample)]

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Return the tags proposed for each sample's instructions."""
        return [_tags(replies) for replies in self.llm.by_group([self.prompts(sample) for sample in samples])]


def proposals(instruments: Instruments) -> FocusTags | ProposedTags:
    """Return the statistic of proposals: the language model's where there is one, else the foci of the questions."""
    return FocusTags(instruments.labeller()) if instruments.llm is None else ProposedTags(instruments.llm)


def proposed_tags(reply: str) -> list[str]:
    """Read at most three tags from the first line of a reply that is not blank."""
    line = next((line for line in reply.splitlines() if line.strip()), "")
    return [tag for tag in map(normalised, line.split(",")[:3]) if tag]


def first_tag(reply: str) -> str:
    """Read the first tag of a reply, or an empty one."""
    return next(iter(proposed_tags(reply)), "")


def _tags(replies: list[str] | RequestFailed) -> dict[str, Any] | MeasureFault:
    if isinstance(replies, RequestFailed):
        return request_fault("language model", replies)
    found = list(dict.fromkeys(tag for reply in replies for tag in proposed_tags(reply)))
    return {"tags": found} if found else MeasureFault("no tag proposed")


def normalised(tag: str) -> str:
    """Return a tag in lower case, with single blanks and without a full stop."""
    return " ".join(tag.lower().replace("_", " ").strip(" .\"'").split())


def tag_system(proposed: Sequence[Sequence[str]], encode: Encode, settings: TagSettings) -> TagSystem:
    """Build the tag system of a dataset.

    Args:
        proposed: tags proposed for each sample.
        encode: embeds tags.
        settings: thresholds.

    Raises:
        InputError: if no tag reaches the coverage.
    """
    counts = Counter(tag for tags in proposed for tag in {normalised(tag) for tag in tags} if tag)
    shares = {tag: count / len(proposed) for tag, count in counts.items() if count / len(proposed) >= settings.coverage}
    if not shares:
        raise InputError(f"no tag covers {settings.coverage:.1%} of {len(proposed)} samples: lower tags.coverage")
    ranked = sorted(shares, key=lambda tag: (-shares[tag], tag))
    vectors = encode(ranked)
    kept: list[int] = []
    merged: dict[str, str] = {}
    for number, tag in enumerate(ranked):
        likeness = [float(vectors[number] @ vectors[other]) for other in kept]
        nearest = max(range(len(kept)), key=likeness.__getitem__, default=None)
        if nearest is not None and likeness[nearest] >= settings.redundancy:
            merged[tag] = ranked[kept[nearest]]
        elif len(kept) < settings.most:
            kept.append(number)
    tags = tuple(ranked[number] for number in kept)
    return TagSystem(tags, {tag: shares[tag] for tag in tags}, merged)


_FEWEST = 5  # instructions of a focus, for it to be a tag or a part of one
_READ = 100  # questions with answers that are read of a focus


def focus_system(
    foci: Sequence[Sequence[str]], samples: Sequence[Sample], encode: Encode, settings: TagSettings
) -> TagSystem:
    """Build the tag system of a dataset from the foci of its instructions.

    A focus means what its questions and answers mean on average, so the things asked about cancel out. Foci are joined
    by average linkage of cosines; a tag has the name of its most frequent focus.

    Args:
        foci: of each sample, one for each instruction (the statistic `FocusTags`).
        samples: the samples, in the same order.
        encode: embeds texts.
        settings: thresholds.

    Raises:
        InputError: if no tag reaches the coverage.
    """
    pairs: defaultdict[str, list[str]] = defaultdict(list)
    for sample, named in zip(samples, foci, strict=True):
        turns = [turn for turn in sample.turns if turn.supervised]
        for turn, focus in zip(turns, named, strict=False):  # a sample that can't be measured has none
            pairs[focus].append(f"{questions(turn.instruction)[0]} {turn.response.split('. ')[0]}")
    total = sum(map(len, pairs.values()))
    frequent = sorted((f for f in pairs if len(pairs[f]) >= _FEWEST), key=lambda focus: (-len(pairs[focus]), focus))
    if not frequent:
        raise InputError(f"no focus has {_FEWEST} of {total} instructions: too few for tasks")
    groups = _alike([_centre(pairs[focus], focus, encode) for focus in frequent], 1 - settings.likeness)
    names: dict[int, str] = {}
    counts: Counter[str] = Counter()
    merged = {}
    for focus, group in zip(frequent, groups, strict=True):
        tag = names.setdefault(group, focus)
        counts[tag] += len(pairs[focus])
        if tag != focus:
            merged[focus] = tag
    shares = {
        tag: count / total for tag, count in counts.most_common(settings.most) if count >= settings.coverage * total
    }
    if not shares:
        raise InputError(f"no tag covers {settings.coverage:.1%} of {total} instructions: lower tags.coverage")
    return TagSystem(tuple(shares), shares, merged)


def _centre(texts: Sequence[str], name: str, encode: Encode) -> NDArray[np.float32]:
    drawn = texts if len(texts) <= _READ else random.Random(name).sample(list(texts), _READ)
    centre = encode(drawn).mean(axis=0)
    return centre / np.linalg.norm(centre)


def _alike(centres: Sequence[NDArray[np.float32]], distance: float) -> list[int]:
    """Return the group of each centre: average linkage, cut at a cosine distance."""
    if len(centres) == 1:
        return [0]
    joined = linkage(np.stack(centres).astype(np.float64), "average", metric="cosine")
    return [int(group) for group in fcluster(joined, distance, "distance")]
