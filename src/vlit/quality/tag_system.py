"""A system of tags out of tags a model proposed: coverage and redundancy (TagGPT, Li et al. 2023; paper 4.2.3).

TagGPT lets a language model propose tags for samples, keeps good ones by how many samples they cover and how much they
repeat each other, and assigns from what is left. The paper fixes these two measures and no thresholds. Here

- coverage of a tag: the share of samples it was proposed for. Tags below `coverage` are left out;
- redundancy of two tags: the cosine of their embeddings. Tags are taken by falling coverage (ties by name), and one
  whose redundancy with a tag already taken is at least `redundancy` is merged into the nearest such tag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vlit.errors import InputError
from vlit.quality.texts import Encode


@dataclass(frozen=True)
class TagSystem:
    """The tags that were kept, what they cover, and where the merged ones went."""

    tags: tuple[str, ...]
    coverage: dict[str, float]
    merged: dict[str, str]


def normalised(tag: str) -> str:
    """A tag in lower case, with single blanks and without a full stop."""
    return " ".join(tag.lower().replace("_", " ").strip(" .\"'").split())


def tag_system(
    proposed: Sequence[Sequence[str]], encode: Encode, coverage: float = 0.01, redundancy: float = 0.8, most: int = 30
) -> TagSystem:
    """Build the system.

    Args:
        proposed: the tags proposed for each sample.
        encode: embeds tags.
        coverage: least share of samples.
        redundancy: least cosine at which two tags are one.
        most: tags kept at most.

    Raises:
        InputError: if no tag reaches the coverage.
    """
    counts = Counter(tag for tags in proposed for tag in {normalised(tag) for tag in tags} if tag)
    shares = {tag: count / len(proposed) for tag, count in counts.items() if count / len(proposed) >= coverage}
    if not shares:
        raise InputError(f"no tag covers {coverage:.1%} of {len(proposed)} samples: lower quality.tags.coverage")
    ranked = sorted(shares, key=lambda tag: (-shares[tag], tag))
    vectors = encode(ranked)
    kept: list[int] = []
    merged: dict[str, str] = {}
    for number, tag in enumerate(ranked):
        likeness = [float(vectors[number] @ vectors[other]) for other in kept]
        nearest = max(range(len(kept)), key=likeness.__getitem__, default=None)
        if nearest is not None and likeness[nearest] >= redundancy:
            merged[tag] = ranked[kept[nearest]]
        elif len(kept) < most:
            kept.append(number)
    tags = tuple(ranked[number] for number in kept)
    return TagSystem(tags, {tag: shares[tag] for tag in tags}, merged)
