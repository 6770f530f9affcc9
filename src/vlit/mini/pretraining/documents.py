"""What the language models read: documents about scenes that are never drawn.

A document describes a scene, then asks about it in the wordings of `READ` or states facts about it again; what answers
and statements say has to be looked up in the description. To look up is what a language model must know before images
can tell it anything. Documents about few things teach it within a few thousand small batches.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vlit.common.files import read_json, write_json
from vlit.construct.sources.read import SOURCES, read_annotations
from vlit.data.templates import Piece, Template
from vlit.mini.datasets.conversations import ConversationWriter, write_conversations
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.datasets.ours import GlobalWriter, NegativeWriter
from vlit.mini.datasets.phrases import Exchange
from vlit.mini.datasets.public import PUBLIC_SOURCES, LlavaWriter
from vlit.mini.pretraining.corpus import cached
from vlit.mini.world.build import WorldSpec, build_world
from vlit.mini.world.scene import read_truth
from vlit.mini.world.texts import description, document, scene_captions, short_document
from vlit.mini.world.wordings import READ, drawn


def documents(scenes: int, seed: int, cache: Path) -> list[str]:
    """Return documents about whole scenes."""
    return cached("documents", document, scenes, seed, cache, seed + 1)


def short_documents(scenes: int, seed: int, cache: Path) -> list[str]:
    """Return documents about one to three things of each of as many other scenes."""
    return cached("short-documents", short_document, scenes, seed, cache, seed + 2)


def conversations(scenes: int, seed: int, cache: Path) -> list[str]:
    """Return descriptions followed by conversations as in instruction data, without errors, about other scenes.

    A published language model has read text of every kind. One that is frozen in tuning and never read sentences like
    the responses of instruction data could not answer in them. What the benchmark asks too is asked in `READ`.
    """
    file = cache / f"conversations-{scenes}-{seed}.json"
    if not file.exists():
        world = build_world(WorldSpec(scenes, 1, seed + 1000), cache / "conversation-world")
        write_json(file, _conversations(world, scenes, random.Random(f"conversations/{seed}")), indent=None)
    return read_json(file)


def _conversations(world: Path, count: int, rng: random.Random) -> list[str]:
    """Return conversations of three kinds, `count` in all, each after its scene's description and captions."""
    annotations, truth = read_annotations(world / "coco"), read_truth(world)
    writers: list[tuple[ConversationWriter, Sequence[str], int]] = [
        (LlavaWriter(), PUBLIC_SOURCES, count // 2),
        (GlobalWriter(), SOURCES, count // 3),
        (NegativeWriter(), SOURCES, count - count // 2 - count // 3),
    ]
    texts = []
    for writer, sources, number in writers:
        facts = [ImageFacts(image.restricted(sources)) for image in annotations]
        for written in write_conversations(facts, writer, number, rng, "conversations"):
            scene = truth[written.image_id]
            paragraph = description(scene, rng)
            captions = " ".join(rng.sample(scene_captions(scene, rng), 2))
            opening = rng.choice(
                (paragraph, f"{captions} {paragraph}", f"Question: Describe the image.\nAnswer: {captions}")
            )
            turns = (f"Question: {_read(turn, rng)}\nAnswer: {turn.response}\n" for turn in written.exchanges)
            texts.append(f"{opening}\n{''.join(turns)}")
    return texts


def _read(exchange: Exchange, rng: random.Random) -> str:
    """Return an instruction in a wording of `READ`, if there is one for what it asks."""
    asked = exchange.phrased
    if asked is None or not asked.phrasing.type:
        return exchange.instruction
    return drawn(READ, asked.phrasing.type, asked.slots, rng)


_LINES = re.compile(r"Question: (?P<question>.*)\nAnswer: (?P<answer>.*)\n|(?P<opening>.*)\t(?P<value>.*)\n")


def document_pieces(text: str, template: Template) -> list[Piece]:
    """Return a document in a family's template: its text without loss, answers and what statements say with loss.

    Published language models have read such templates; a language model of the mini world reads them here.
    """
    bare = replace(template, system="")
    rest = _LINES.sub("", text)
    pieces = [Piece(rest)] if rest else []
    for line in _LINES.finditer(text):
        if line["question"] is not None:
            pieces += [*bare.question_prompt(line["question"], images=0), *bare.answer(line["answer"])]
        else:
            before = "" if pieces[-1].text.endswith("\n") else " "
            pieces += stated_pieces(before, line["opening"], line["value"])
    return pieces


def stated_pieces(before: str, opening: str, said: str) -> list[Piece]:
    """Return a statement as pieces: what comes before it and its opening are read, what it says is learned."""
    return [Piece(before + opening), Piece(f" {said}", supervised=True)]
