"""Matching degree against open_clip itself, and the filter that makes `ours_qc`."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from hydra.utils import instantiate

from vlit.data.rejects import Rejects
from vlit.data.sample import Sample, Turn
from vlit.errors import InputError
from vlit.files import read_jsonl
from vlit.models import loading
from vlit.models.clip import Clip
from vlit.quality.curate import Curation
from vlit.quality.matching_degree import matching_degrees, texts_of


@pytest.fixture(scope="module")
def clip(compose) -> Clip:
    return instantiate(compose().quality).clip()


@pytest.fixture(scope="module")
def samples(compose) -> list[Sample]:
    return instantiate(compose("data=ours").data).read(rejects=Rejects())


def test_a_long_response_is_read_by_sentence_and_a_short_one_behind_its_instruction() -> None:
    assert texts_of(Turn("Describe it.", "A cup is here. It is red!  Is it?")) == [
        "A cup is here.",
        "It is red!",
        "Is it?",
    ]
    assert texts_of(Turn("What color is the cup?", "Red")) == ["What color is the cup? Red"]


def test_degrees_are_open_clips_own_cosines(clip: Clip, samples: list[Sample], cache: Path) -> None:
    open_clip.add_model_config(cache / "weights" / "open_clip")
    model, _, preprocess = open_clip.create_model_and_transforms(
        "clip-mini", pretrained=str(cache / "weights" / "clip.safetensors")
    )
    model.eval()
    words = loading.tokenizer(cache / "weights" / "tokenizer")
    for degree, sample in zip(matching_degrees(samples[:8], clip, batch_size=3), samples[:8], strict=True):
        turns = []
        for turn in sample.turns:
            cosines = []
            for text in texts_of(turn):
                ids = [*words.encode(text, add_special_tokens=False)[:39], words.eos_token_id]
                row = torch.tensor([ids + [0] * (40 - len(ids))])
                with torch.inference_mode():
                    one = model.encode_image(preprocess(sample.images[-1].load()).unsqueeze(0), normalize=True)
                    two = model.encode_text(row, normalize=True)
                cosines.append(100 * float(one @ two.T))
            turns.append(sum(cosines) / len(cosines))
        assert degree.mean == pytest.approx(sum(turns) / len(turns), abs=1e-3)
        assert degree.least == pytest.approx(min(turns), abs=1e-3)


def test_the_filter_keeps_the_share_with_the_largest_least_degree(
    clip: Clip, samples: list[Sample], tmp_path: Path
) -> None:
    degrees = {degree.sample_id: degree.least for degree in matching_degrees(samples, clip, 64)}
    kept = Curation(lambda: clip, 64, 0.5, tmp_path).kept("ours", samples)
    assert len(kept.ids) == round(0.5 * len(samples))
    dropped = set(degrees) - set(kept.ids)
    assert min(degrees[id] for id in kept.ids) >= max(degrees[id] for id in dropped)
    rejected = read_jsonl(tmp_path / "ours" / "rejects.jsonl")
    assert {row["sample_id"] for row in rejected} == dropped
    assert {row["reason"] for row in rejected} == {"matching degree below the threshold"}


def test_another_threshold_needs_no_scoring(clip: Clip, samples: list[Sample], tmp_path: Path) -> None:
    Curation(lambda: clip, 64, 0.5, tmp_path).kept("ours", samples)

    def no_clip() -> Clip:
        raise AssertionError("statistics were there")

    kept = Curation(no_clip, 64, 0.9, tmp_path).kept("ours", samples)
    assert len(kept.ids) == round(0.9 * len(samples))


def test_a_sample_without_an_image_is_set_aside_with_its_reason(
    clip: Clip, samples: list[Sample], tmp_path: Path
) -> None:
    text = Sample("text/1", (), (Turn("What is two plus two?", "Four"),))
    kept = Curation(lambda: clip, 64, 1.0, tmp_path).kept("ours", [*samples[:3], text])
    assert "text/1" not in kept.ids
    assert {"sample_id": "text/1", "reason": "no image to match"} in read_jsonl(tmp_path / "ours" / "rejects.jsonl")


def test_an_impossible_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"quality.keep=1.5"):
        Curation(lambda: None, 64, 1.5, tmp_path)  # type: ignore[arg-type, return-value]
