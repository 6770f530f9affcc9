"""The offline generator in the place of a language model: all of construction runs without one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.construct.conftest import construction, contents
from vlit.common.errors import InputError
from vlit.common.files import read_json, read_jsonl
from vlit.construct.pipeline import Job, construct
from vlit.construct.sources.read import SOURCES
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.sample import Rejects
from vlit.llm.cache import CachedModel
from vlit.llm.request import Sampling
from vlit.mini.datasets.generator import OfflineGenerator

ALL = ("global", "negative", "region", "multi_turn", "external_knowledge")


def job(world: Path, folder: Path, generator: OfflineGenerator, *variants: str) -> Job:
    made = construction(world / "coco", folder, generator, *variants)
    return replace(made, sources=SOURCES, rules=replace(made.rules, near_duplicate=0.99))


def test_the_offline_generator_fills_all_three_files(world: Path, tmp_path: Path) -> None:
    offline = OfflineGenerator(5, 0.0, 0.3, 0, tmp_path / "side")
    output = construct(job(world, tmp_path, offline, *ALL))
    samples = read_coco_arc(output, world / "coco/train2014", rejects := Rejects())
    assert {sample.task for sample in samples} == {"global", "negative", "region"} and not rejects.rows
    manifest = read_json(output / "manifest.json")
    candidates = manifest["candidates"]
    assert candidates["written"] == candidates["accepted"] + candidates["rejected"] and candidates["repaired"] > 0
    assert sum(manifest["conversations"].values()) == len(samples)
    assert "<img" in (output / "samples.html").read_text() and "http" not in (output / "samples.html").read_text()
    assert read_jsonl(tmp_path / "side/planted_errors.jsonl") == []


def test_planted_errors_are_recorded_and_are_in_the_data(world: Path, tmp_path: Path) -> None:
    offline = OfflineGenerator(5, 0.5, 0.0, 0, tmp_path / "side")
    output = construct(job(world, tmp_path, offline, "global"))
    entries = read_json(output / "global.json")["annotations"]
    answers = {turn["AI"] for entry in entries for turn in entry["conversations"]}
    planted = read_jsonl(tmp_path / "side/planted_errors.jsonl")
    assert planted and all(error["wrong"] in answers for error in planted)
    first = contents(output)
    assert contents(construct(job(world, tmp_path, offline, "global"))) == first
    assert read_jsonl(tmp_path / "side/planted_errors.jsonl") == planted


def test_it_answers_requests_of_construction_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="llm=offline writes conversations only"):
        CachedModel(OfflineGenerator(5, 0.5, 0.0, 0, tmp_path), tmp_path / "r.sqlite", Sampling(0.0, 1, 8))  # type: ignore[arg-type]
