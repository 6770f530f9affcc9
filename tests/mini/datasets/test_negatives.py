"""Negative instructions: no text alone says whether a claim is true."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

from vlit.construct.sources.read import read_annotations
from vlit.mini.datasets import negatives
from vlit.mini.datasets.image_facts import ImageFacts
from vlit.mini.world.scene import read_truth


def test_claims_are_as_often_true_as_false_and_the_verdict_fits(small_world: Path) -> None:
    truth = read_truth(small_world)
    images = [ImageFacts(image) for image in read_annotations(small_world / "coco")]
    for name in ("attribute", "location", "count", "word", "setting"):
        writer = getattr(negatives, f"claimed_{name}")
        verdicts = Counter[str]()
        for seed, facts in enumerate(images * 6):
            exchange = writer(facts, Random(f"{name}/{seed}"), False)
            if exchange is None:
                continue
            verdict, said = exchange.response.rstrip(".").split(", ", maxsplit=1)
            verdicts[verdict] += 1
            scene = truth[facts.annotations.image_id]
            told = said.split()[-1 if name == "attribute" else -2 :]  # "red", "upper left", "two cups"
            claim = {
                "setting": scene.setting in exchange.instruction,
                "word": scene.sign is not None and scene.sign.word in exchange.instruction,
            }.get(name, " ".join(told) in exchange.instruction)
            assert (verdict == "Yes") == claim, exchange
            for alternative in exchange.alternatives:
                assert alternative.split(",")[0] == ("No" if verdict == "Yes" else "Yes")
                assert said not in alternative
        assert 0.4 < verdicts["Yes"] / verdicts.total() < 0.6, (name, verdicts)
