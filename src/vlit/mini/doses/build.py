"""Builds a dose as a dataset in COCO_ARC's format, with a manifest of what was varied, whole or not at all.

First the questions: distinct ones, abilities in the wanted shares over the whole dataset. Then the words: wordings,
errors, and several questions in one instruction, which change no question.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from tqdm import tqdm

from vlit.common.digest import is_whole, write_sums
from vlit.common.errors import InputError
from vlit.common.files import is_replaceable, read_json, replaced_folder, write_json, write_jsonl
from vlit.construct.sources.read import SOURCES, read_annotations
from vlit.mini.datasets.abilities import ABILITY_WRITERS
from vlit.mini.datasets.conversations import PLANTED, Conversation, PlantedError, first_possible
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.ours import coco_arc_records
from vlit.mini.datasets.phrases import Exchange
from vlit.mini.doses.design import ABILITY_ORDER, BASE, BASE_DOSE, DOSE_QUESTIONS, FAVOURED, DoseSettings, dose

_MANIFEST = "dose.json"  # written last: what the folder was built from


def build_dose(
    principle: str, level: int, samples: int, seed: int, world_folder: str | Path, folder: str | Path
) -> Path:
    """Write `folder/global.json`, `folder/dose.json` and `folder/planted_errors.jsonl` (which nothing reads).

    Nothing is written if the folder was built by the same arguments. The same arguments give the same bytes.

    Args:
        principle: one of `PRINCIPLES`, or `base`.
        level: from 1; 0 for the base.
        samples: number of conversations; the same number in all doses that are compared.
        seed: seed of questions and words.
        world_folder: folder of the world, with annotation files in `coco/`.
        folder: folder to write.

    Returns:
        `folder`.

    Raises:
        InputError: if there is no such dose, the world's images are too few, or `folder` contains something else.
    """
    folder, chosen = Path(folder), dose(principle, level)
    mark = {
        "principle": principle, "level": level, "dose": chosen.dose, "samples": samples, "seed": seed,
        "world": read_json(Path(world_folder) / "world.json", mend="draw the world first (train.py and assess.py do)"),
        "varied": varied(chosen.settings), "settings": asdict(chosen.settings),
    }  # fmt: skip
    if _is_built(folder, mark):
        return folder
    images = [ImageFacts(image.restricted(SOURCES)) for image in read_annotations(Path(world_folder) / "coco")]
    right = _conversations(images, chosen.settings, samples, seed)
    ids = [f"dose/global/{number:06d}" for number in range(samples)]
    written, planted = _worded(right, chosen.settings, ids, seed)
    with replaced_folder(folder, _MANIFEST, what="dose", is_current=lambda: _is_built(folder, mark)) as fresh:
        write_json(fresh / "global.json", coco_arc_records(written))
        write_jsonl(fresh / PLANTED, (error.record() for error in planted))
        counted = _counted(right, written, planted)
        write_json(fresh / _MANIFEST, {**mark, "base_dose": BASE_DOSE.get(chosen.principle), "counted": counted})
        write_sums(fresh)
    return folder


def varied(settings: DoseSettings) -> dict[str, list[Any]]:
    """Return the settings that differ from the base: `[base, here]` by name."""
    base = asdict(dose(BASE, 0).settings)
    return {name: [base[name], value] for name, value in asdict(settings).items() if value != base[name]}


def _is_built(folder: Path, mark: dict[str, Any]) -> bool:
    return is_replaceable(folder, _MANIFEST, "dose") and is_whole(folder, _MANIFEST, mark)


def _counted(
    right: Sequence[Conversation], written: Sequence[Conversation], planted: Sequence[PlantedError]
) -> dict[str, Any]:
    """Return what the dataset contains, as far as its maker knows; the quality indicators measure it independently."""
    images = ",".join(sorted(conversation.image for conversation in right))
    questions = [exchange for conversation in right for exchange in conversation.exchanges]
    turns = [exchange for conversation in written for exchange in conversation.exchanges]
    return {
        "questions": len(questions),
        "turns": len(turns),
        "abilities": dict(Counter(exchange.ability for exchange in questions).most_common()),
        "wrong_responses": len(planted),
        "distinct_instructions": len({exchange.instruction for exchange in turns}),
        "distinct_responses": len({exchange.response for exchange in turns}),
        "images": hashlib.sha256(images.encode()).hexdigest(),
    }


_SHORT_SHARE = 0.5  # of the responses that are a short phrase
_ATTEMPTS = 6  # to find a question about an ability that this image does not have yet


def _conversations(images: Sequence[ImageFacts], settings: DoseSettings, samples: int, seed: int) -> list[Conversation]:
    """Return `samples` conversations of `DOSE_QUESTIONS` questions, each about another image.

    Raises:
        InputError: if too few images have so many questions.
    """
    shares, counts = _shares(settings), Counter[str]()
    conversations: list[Conversation] = []
    order = Random(f"doses/{seed}").sample(images, len(images))
    for facts in tqdm(order, desc="writing a dose", leave=False, disable=None):
        if len(conversations) == samples:
            break
        image = facts.annotations
        exchanges = _conversation(facts, shares, counts, Random(f"doses/{seed}/{image.image_id}"))
        if exchanges is not None:
            counts.update(exchange.ability for exchange in exchanges)
            conversations.append(Conversation(image.image_id, image.file_name, "global", tuple(exchanges)))
    if len(conversations) < samples:
        raise InputError(
            f"{len(images)} images give {len(conversations)} of {samples} conversations: set"
            f" dose.samples={len(conversations)} in every dose, or draw more scenes"
        )
    return conversations


def _shares(settings: DoseSettings) -> dict[str, float]:
    """Return the share of the questions about each ability."""
    abilities = ABILITY_ORDER[: settings.abilities]
    if settings.favoured is None:
        return dict.fromkeys(abilities, 1 / len(abilities))
    rest = (1 - settings.favoured) / (len(abilities) - 1)
    return {ability: settings.favoured if ability == FAVOURED else rest for ability in abilities}


def _conversation(
    facts: ImageFacts, shares: Mapping[str, float], counts: Counter[str], rng: Random
) -> list[Exchange] | None:
    """Return `DOSE_QUESTIONS` exchanges, abilities furthest behind their share first; None if there are fewer."""
    count, contents, chosen = Counter(counts), set[object](), list[Exchange]()
    while len(chosen) < DOSE_QUESTIONS:
        behind = sorted(shares, key=lambda ability: (count[ability] / shares[ability], rng.random()))
        exchange = next((found for ability in behind if (found := _new(ability, facts, rng, contents))), None)
        if exchange is None:
            return None
        chosen.append(exchange)
        count[exchange.ability] += 1
        contents.add(_content(exchange))
    rng.shuffle(chosen)
    return chosen


def _new(ability: str, facts: ImageFacts, rng: Random, contents: set[object]) -> Exchange | None:
    """Return an exchange about an ability whose content is not among `contents`; None if none is found."""
    for _ in range(_ATTEMPTS):
        exchange = first_possible(ABILITY_WRITERS[ability], facts, rng, rng.random() < _SHORT_SHARE)
        if exchange is None:
            return None
        if _content(exchange) not in contents:
            return exchange
    return None


def _content(exchange: Exchange) -> object:
    """Return the question without its wording."""
    assert exchange.phrased is not None  # all of `ABILITY_WRITERS` use phrasings
    return exchange.phrased.phrasing, exchange.phrased.slots


# No nouns but the picture's and no connectives: they would make an instruction more complex by its indicators.
_CARRIERS = ("{}", "Look closely. {}", "Please answer carefully. {}", "Please tell me. {}")
_OPENERS = (
    "{}",
    "In this picture, {}",
    "As far as I can see, {}",
    "Looking closely, {}",
    "Here is what I see: {}",
    "From what is shown, {}",
)


def _worded(
    right: Sequence[Conversation], settings: DoseSettings, ids: Sequence[str], seed: int
) -> tuple[list[Conversation], list[PlantedError]]:
    """Return conversations in the words of a dose.

    Errors are nested: what is wrong at one rate is wrong, in the same way, at every higher rate.

    Args:
        right: conversations with right responses.
        settings: settings of the dose.
        ids: sample ids, for the record of errors.
        seed: seed of carriers, openers and errors.

    Returns:
        The conversations in the same order, and the errors planted (`turn` counts questions from 0).
    """
    written, planted = [], []
    for conversation, sample_id in zip(right, ids, strict=True):
        rng = Random(f"doses/{seed}/{conversation.image_id}/said")
        exchanges = []
        for turn, exchange in enumerate(conversation.exchanges):
            carrier, opener, chance, pick = (rng.random() for _ in range(4))
            worded = _reworded(exchange, settings, carrier, opener)
            if worded.alternatives and chance < settings.error_rate:
                wrong = worded.alternatives[int(pick * len(worded.alternatives))]
                planted.append(PlantedError(sample_id, turn, worded.error, worded.response, wrong))
                worded = replace(worded, response=wrong, alternatives=(), error="")
            exchanges.append(worded)
        written.append(replace(conversation, exchanges=_joined(exchanges, settings.turns)))
    return written, planted


def _reworded(exchange: Exchange, settings: DoseSettings, carrier: float, opener: float) -> Exchange:
    """Return an exchange in the wordings that a dose has; `carrier` and `opener` are random numbers from 0 to 1."""
    question = exchange.phrased
    assert question is not None  # all questions of doses come from phrasings
    sentence = None if question.sentence is None else question.sentence % settings.sentences
    worded = replace(question, instruction=question.instruction % settings.wordings, sentence=sentence).exchange()
    open_with = _OPENERS[int(opener * settings.openers)] if sentence is not None else _OPENERS[0]
    return replace(
        worded,
        instruction=_CARRIERS[int(carrier * settings.carriers)].format(worded.instruction),
        response=_opened(open_with, worded.response),
        alternatives=tuple(_opened(open_with, text) for text in worded.alternatives),
    )


def _opened(opener: str, text: str) -> str:
    keep = opener == _OPENERS[0] or text.startswith("I ")
    return opener.format(text if keep else text[0].lower() + text[1:])


def _joined(exchanges: Sequence[Exchange], turns: int) -> tuple[Exchange, ...]:
    """Return the exchanges spread evenly over `turns` turns, in order."""
    cuts = [len(exchanges) * turn // turns for turn in range(turns + 1)]
    return tuple(_one_turn(exchanges[a:b]) for a, b in pairwise(cuts))


def _one_turn(exchanges: Sequence[Exchange]) -> Exchange:
    if len(exchanges) == 1:
        return exchanges[0]
    responses = [text if text.endswith(".") else f"{text}." for text in (each.response for each in exchanges)]
    ability = " + ".join(each.ability for each in exchanges)
    return Exchange(ability, " ".join(each.instruction for each in exchanges), " ".join(responses))
