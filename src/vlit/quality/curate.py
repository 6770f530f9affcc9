"""Curation: from a dataset to what is kept of it, by the filter's rules over stored statistics (paper 4.2.3).

`ours_qc` is `ours` and a list of what is kept: samples, or turns of samples (`unit`). The list is what training reads:
`curate.py` writes it with the rules that made it, and a list that was made with other rules or from other data is
refused. Matching degree and complexity by rules are measured where they are missing; what needs a judge or a sentence
encoder is read from what `assess.py` stored. Where everything is stored, neither torch nor a model is loaded.

The rules, in their order, each of which can be off: what is known to be wrong (`known`), thresholds (`least`), a share
of the best (`keep`, `rank_by`), a cap on what repeats (`most_alike`), a random share (`at_random`), and a draw that is
even over tasks (`balanced`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl
from vlit.data.sample import Sample
from vlit.data.subset import KeptIds, fingerprint, read_kept, write_kept
from vlit.quality.filter import (
    DRAWN,
    Piece,
    Rejection,
    Values,
    at_random,
    below,
    first_reasons,
    overrides,
    piece_of,
    rejection,
    repeated,
    without_value,
    worst,
)
from vlit.quality.image_features import ClipSource, ImageFeatures
from vlit.quality.indicators.balance import balanced_ids
from vlit.quality.indicators.instruction_diversity import content_words
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.instruments import Instruments
from vlit.quality.statistics import StatisticsStore

log = logging.getLogger(__name__)

FEATURES = "image_features.sqlite"
CURATE = "python curate.py"
UNITS = ("sample", "turn")


@dataclass(frozen=True)
class Curation:
    """The filter of a dataset, as `quality=` configures it.

    Attributes:
        clip: CLIP of matching degree, loaded only where something has to be encoded.
        folder: statistics, kept ids and rejects go to `{folder}/{dataset}/`.
        batch_size: images or texts encoded at once.
        unit: what is kept or not: whole samples, each as good as its worst response, or single turns.
        rank_by: indicators that rank pieces, by their mean rank: any that has `ranks_by`, as MD, C, C_contrast.
        keep: share of pieces kept, the best first; 1 ranks nothing.
        least: least value of a kept piece by indicator; None is no threshold.
        judge: start of the key of the statistics to read where several have judged, or None.
        known: JSON lines (`id`, `turn`) of responses that are known to be wrong, or None.
        most_alike: pieces kept of a task whose instructions, or responses, have the same words; None keeps all.
        at_random: share of the pieces that is kept at random, the control of a filter; None keeps all.
        balanced: pieces drawn of those that pass, as even over tasks as can be; None keeps all that pass.
        seed: of what is drawn.
        command: how a list is made, for messages.
    """

    clip: ClipSource
    folder: Path
    batch_size: int = 256
    unit: Literal["sample", "turn"] = "sample"
    rank_by: Sequence[str] = ("MD",)
    keep: float = 0.8
    least: Mapping[str, float | None] = field(default_factory=dict)
    judge: str | None = None
    known: str | None = None
    most_alike: int | None = None
    at_random: float | None = None
    balanced: int | None = None
    seed: int = 0
    command: str = CURATE

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise InputError(f"quality.keep={self.keep}: it is the share of pieces to keep, above 0 and at most 1")
        if self.unit not in UNITS:
            raise InputError(f"quality.unit={self.unit}: it is one of {', '.join(UNITS)}")
        able = [key for key, one in BY_KEY.items() if (one.by_response if self.unit == "turn" else one.ranks_by)]
        if (self.keep < 1 and not self.rank_by) or set(self.rank_by) - set(able):
            raise InputError(f"quality.rank_by={list(self.rank_by)}: one or more of {', '.join(able)}")
        unknown = sorted(set(self.least) - set(able))
        if unknown:
            raise InputError(f"quality.least.{unknown[0]}: thresholds are on {', '.join(able)}")

    @property
    def rules(self) -> dict[str, Any]:
        """Everything that decides what is kept, by its name below `quality.`; None is off."""
        by_clip = "MD" in {*self._ranked(), *self._least()}
        drawn = any(getattr(self, name) is not None for name in DRAWN)
        return {
            "unit": self.unit,
            "rank_by": list(self.rank_by),
            "keep": self.keep,
            **{f"least.{key}": value for key, value in self._least().items()},
            "clip.name": self.clip.name if by_clip else None,
            "judge": self.judge,
            "known": self.known,
            "most_alike": self.most_alike,
            "at_random": self.at_random,
            "balanced": self.balanced,
            "seed": self.seed if drawn else None,
        }

    def _ranked(self) -> Sequence[str]:
        return self.rank_by if self.keep < 1 else ()

    def described(self) -> str:
        """Return the rules as overrides of a command, in one line."""
        return " ".join(overrides(self.rules, {}))

    def features(self) -> ImageFeatures:
        """Return CLIP with the features of images that are kept next to the statistics."""
        return ImageFeatures(self.clip, Path(self.folder) / FEATURES, self.batch_size)

    def list_of(self, name: str) -> Path:
        """Return the file of a dataset's kept ids."""
        return Path(self.folder) / name / "kept_ids.json"

    def made(self, name: str) -> KeptIds | None:
        """Read the list of a dataset; None if there is none.

        Raises:
            InputError: if it was made with other rules.
        """
        path = self.list_of(name)
        if not path.exists():
            return None
        kept = read_kept(path)
        here = overrides(kept.rules, self.rules)
        if here:
            there = overrides(self.rules, kept.rules)
            usual = Curation(self.clip, self.folder).rules
            again = " ".join([self.command, f"data={name}", *overrides(self.rules, usual)])
            raise InputError(
                f"{path} was made with {' '.join(here)}, but {' '.join(there)} here: add {' '.join(here)} to keep to"
                f" the list, or make it again with `{again}`"
            )
        return kept

    def check(self, kept: KeptIds, samples: Sequence[Sample]) -> None:
        """Refuse a list that was made from other samples.

        Raises:
            InputError: if the fingerprints differ.
        """
        if kept.fingerprint != fingerprint(samples):
            raise InputError(
                f"{self.list_of(kept.dataset)} was made from other data than {kept.dataset} now has ({len(samples)}"
                f" samples): make it again with `{self.command} data={kept.dataset}` and this command's data settings"
            )

    def curate(self, name: str, samples: Sequence[Sample]) -> KeptIds:
        """Filter a dataset and write `kept_ids.json` and `rejects.jsonl` (id, turn, reason, value, threshold).

        Raises:
            InputError: if a statistic is needed that has not been measured, or nothing passes.
        """
        store = StatisticsStore.of(Path(self.folder), name, samples)
        pieces = [piece for sample in samples for piece in self._pieces(sample)]
        rejected: list[Rejection] = []
        for found in self._rules(pieces, store, samples):
            rejected = first_reasons([*rejected, *found(rejected)])
        out = {piece_of(one) for one in rejected}
        kept = KeptIds(name, fingerprint(samples), self.rules, *self._kept(samples, out))
        if not kept.ids:
            raise InputError(f"no {self.unit} of {name} passes {self.described()}: lower the thresholds")
        write_jsonl(self.list_of(name).with_name("rejects.jsonl"), rejected)
        write_kept(self.list_of(name), kept)
        log.info("%s: %d of %d samples kept, %d of %d %ss (%s)", name, len(kept.ids), len(samples),
                 len(pieces) - len(out), len(pieces), self.unit, self.described())  # fmt: skip
        for reason, number in Counter(one["reason"] for one in rejected).most_common():
            log.info("  %d: %s", number, reason)
        return kept

    def _pieces(self, sample: Sample) -> list[Piece]:
        if self.unit == "sample":
            return [Piece(sample.id)]
        return [Piece(sample.id, place) for place, turn in enumerate(sample.turns) if turn.supervised]

    def _kept(self, samples: Sequence[Sample], out: set[Piece]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
        """Return the ids of the samples of which something is kept, and the turns of those that lose some."""
        ids, turns = [], {}
        for sample in samples:
            pieces = self._pieces(sample)
            left = [piece for piece in pieces if piece not in out]
            if left:
                ids.append(sample.id)
            if left and len(left) < len(pieces):
                turns[sample.id] = tuple(piece.turn for piece in left if piece.turn is not None)
        return tuple(ids), turns

    def _rules(self, pieces: list[Piece], store: StatisticsStore, samples: Sequence[Sample]) -> Iterator[_Rule]:
        """Yield what each rule that is on rejects, given what those before it have."""
        if self.known is not None:
            known = self._known_wrong(self.known)
            yield lambda _: [rejection(piece, "known to be wrong") for piece in pieces if piece in known]
        needed = dict.fromkeys([*self._ranked(), *self._least()])
        columns = {key: self._values(key, store, samples) for key in needed}
        yield lambda _: [one for column in columns.values() for one in without_value(column)]
        for key, least in self._least().items():
            yield lambda _, key=key, least=least: below(columns[key], least)  # type: ignore[misc]
        if self.keep < 1:
            yield lambda _: worst([columns[key] for key in self.rank_by], self.keep)
        if self.most_alike is not None:
            most = self.most_alike
            alike = self._words(store, samples)
            yield lambda before: repeated(
                {piece: alike[piece] for piece in _left(pieces, before) if piece in alike}, most,
                ("an instruction", "a response"), self.seed,
            )  # fmt: skip
        if self.at_random is not None:
            share = self.at_random
            yield lambda before: at_random(_left(pieces, before), share, self.seed)
        if self.balanced is not None:
            size = self.balanced
            yield lambda before: self._not_drawn(size, store, samples, _left(pieces, before))

    def _least(self) -> dict[str, float]:
        return {key: value for key, value in self.least.items() if value is not None}

    def _known_wrong(self, path: str) -> set[Piece]:
        if not Path(path).is_file():
            raise InputError(
                f"no file of known errors at {path}: quality=oracle is for the generated world (quality.known)"
            )
        rows = read_jsonl(Path(path))
        return {Piece(row["id"], row["turn"] if self.unit == "turn" else None) for row in rows}

    def _values(self, key: str, store: StatisticsStore, samples: Sequence[Sample]) -> Values:
        indicator = BY_KEY[key]
        column = indicator.by_response if self.unit == "turn" else indicator.ranks_by
        assert column is not None
        if indicator.statistic is not None and set(indicator.needs) <= {"features"}:
            measure = indicator.statistic(Instruments(features=self.features))
            store.compute(measure, samples)
            table = store.read(measure, samples)
        else:
            table = store.stored(indicator.source, samples, self.judge)
        return Values(key, *self._by_piece(table, column, samples))

    def _by_piece(
        self, table: pa.Table, column: str, samples: Sequence[Sample]
    ) -> tuple[dict[Piece, Any], dict[Piece, str]]:
        """Return the values of a column, by turn where it has a list of one for each response, and the faults."""
        values: dict[Piece, Any] = {}
        faults: dict[Piece, str] = {}
        for sample, fault, value in zip(samples, table["fault"].to_pylist(), table[column].to_pylist(), strict=True):
            pieces = self._pieces(sample)
            if fault is not None:
                faults.update((piece, fault) for piece in pieces)
            elif self.unit == "sample":
                values[pieces[0]] = value
            else:
                values.update(zip(pieces, value, strict=True))
        return values, faults

    def _tasks(self, store: StatisticsStore, samples: Sequence[Sample]) -> tuple[dict[Piece, str], dict[Piece, str]]:
        return self._by_piece(store.stored("T", samples), "tasks" if self.unit == "turn" else "task", samples)

    def _words(self, store: StatisticsStore, samples: Sequence[Sample]) -> dict[Piece, tuple[object, object]]:
        """Return what pieces are alike by: the content words of instructions, and the words of responses, of a task."""
        tasks, _ = self._tasks(store, samples)
        found: dict[Piece, tuple[object, object]] = {}
        for sample in samples:
            for piece in self._pieces(sample):
                turns = (
                    [turn for turn in sample.turns if turn.supervised]
                    if piece.turn is None
                    else [sample.turns[piece.turn]]
                )
                instruction = tuple(frozenset(content_words(turn.instruction)) for turn in turns)
                response = tuple(tuple(turn.response.lower().rstrip(".").split()) for turn in turns)
                found[piece] = (tasks.get(piece), instruction), (tasks.get(piece), response)
        return found

    def _not_drawn(
        self, size: int, store: StatisticsStore, samples: Sequence[Sample], left: Sequence[Piece]
    ) -> list[Rejection]:
        tasks, faults = self._tasks(store, samples)
        able = {piece: tasks[piece] for piece in left if piece in tasks}
        drawn = set(balanced_ids(able, size, self.seed))
        return [
            *(rejection(piece, f"no task: {faults[piece]}") for piece in left if piece in faults),
            *(rejection(piece, f"not drawn: its task, {able[piece]}, has enough")
              for piece in left if piece in able and piece not in drawn),
        ]  # fmt: skip


_Rule = Callable[[Sequence[Rejection]], list[Rejection]]  # what was rejected before -> what a rule rejects


def _left(pieces: Sequence[Piece], rejected: Sequence[Rejection]) -> list[Piece]:
    out = {piece_of(one) for one in rejected}
    return [piece for piece in pieces if piece not in out]
