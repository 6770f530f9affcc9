"""Matching degree against open_clip itself, the filter that makes `ours_qc`, and the list it writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import pyarrow as pa
import pytest
import torch
from hydra.utils import instantiate

from tests.quality.conftest import LoadedClip
from vlit.common.errors import InputError
from vlit.common.files import read_jsonl, write_jsonl
from vlit.data.sample import Rejects, Sample, Turn
from vlit.data.subset import read_kept
from vlit.models import loading
from vlit.models.clip import Clip
from vlit.quality.curate import Curation
from vlit.quality.indicators.matching_degree import matching_degrees, texts_of
from vlit.quality.statistics import MeasureFault, StatisticsStore


@pytest.fixture(scope="module")
def samples(compose) -> list[Sample]:
    return instantiate(compose("data=ours").data).read(rejects=Rejects())


def test_a_long_response_is_read_by_sentence_and_a_short_one_after_its_instruction() -> None:
    assert texts_of(Turn("Describe it.", "A cup is here. It is red!  Is it?")) == [
        "A cup is here.",
        "It is red!",
        "Is it?",
    ]
    assert texts_of(Turn("What color is the cup?", "Red")) == ["What color is the cup? Red"]


def test_degrees_are_open_clips_own_cosines(clip: LoadedClip, samples: list[Sample], cache: Path) -> None:
    open_clip.add_model_config(cache / "weights" / "open_clip")
    model, _, preprocess = open_clip.create_model_and_transforms(
        "clip-mini", pretrained=str(cache / "weights" / "clip.safetensors")
    )
    model.eval()
    words = loading.load_tokenizer(cache / "weights" / "tokenizer")
    for degree, sample in zip(matching_degrees(samples[:8], clip.features(batch_size=3)), samples[:8], strict=True):
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
    clip: LoadedClip, samples: list[Sample], tmp_path: Path
) -> None:
    degrees = {degree.sample_id: degree.least for degree in matching_degrees(samples, clip.features())}
    kept = Curation(clip, tmp_path, keep=0.5).curate("ours", samples)
    assert len(kept.ids) == round(0.5 * len(samples))
    dropped = set(degrees) - set(kept.ids)
    assert min(degrees[id] for id in kept.ids) >= max(degrees[id] for id in dropped)
    rejected = read_jsonl(tmp_path / "ours" / "rejects.jsonl")
    assert {row["sample_id"] for row in rejected} == dropped
    assert {row["reason"] for row in rejected} == {"MD below the threshold"}


def test_another_threshold_needs_no_scoring(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    Curation(clip, tmp_path, keep=0.5).curate("ours", samples)

    class Absent(LoadedClip):
        def load(self) -> Clip:
            raise AssertionError("statistics were stored")

    kept = Curation(Absent(clip.clip), tmp_path, keep=0.9).curate("ours", samples)
    assert len(kept.ids) == round(0.9 * len(samples))


def test_a_sample_without_an_image_is_set_aside_with_its_reason(
    clip: LoadedClip, samples: list[Sample], tmp_path: Path
) -> None:
    text = Sample("text/1", (), (Turn("What is two plus two?", "Four"),))
    kept = Curation(clip, tmp_path, keep=0.99).curate("ours", [*samples[:3], text])
    assert "text/1" not in kept.ids
    assert {"sample_id": "text/1", "reason": "no MD: no image"} in read_jsonl(tmp_path / "ours" / "rejects.jsonl")


def test_an_impossible_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"quality.keep=1.5"):
        Curation(None, tmp_path, keep=1.5)  # type: ignore[arg-type]


class Given:
    """A measure with given values."""

    key = "given"

    def __init__(self, name: str, column: str, kind: pa.DataType, values: dict[str, Any]) -> None:
        self.name, self.column, self.values = name, column, values
        self.schema = pa.schema([(column, kind)])

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        found = [self.values.get(sample.id) for sample in samples]
        return [MeasureFault("server timed out") if value is None else {self.column: value} for value in found]


def test_both_statistics_rank_together_and_each_has_its_threshold(
    clip: LoadedClip, samples: list[Sample], tmp_path: Path
) -> None:
    samples = samples[:6]
    ids = [sample.id for sample in samples]
    store = StatisticsStore.of(tmp_path, "ours", samples)
    degrees = dict(zip(ids, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0], strict=True))
    votes = dict(zip(ids, [1.0, 0.8, 0.6, 0.0, 0.2, None], strict=True))
    measure = Given("MD", "least", pa.float64(), degrees)
    measure.key = f"{clip.key}|by response"
    store.compute(measure, samples)
    store.compute(Given("C", "agreement", pa.float64(), votes), samples)
    both = ("MD", "C")
    # Ranks of the five with both: 1 2 3 4 5 and 5 4 3 1 2; sums 6 6 6 5 7; ties go by id, the larger id is kept.
    kept = Curation(clip, tmp_path, rank_by=both, keep=0.6).curate("ours", samples)
    assert set(kept.ids) == {ids[4], *sorted(ids[:3])[1:]}
    reasons = {row["sample_id"]: row["reason"] for row in read_jsonl(tmp_path / "ours" / "rejects.jsonl")}
    assert reasons[ids[5]] == "no C: server timed out"
    assert reasons[ids[3]] == "MD and C below the threshold"
    strict = Curation(clip, tmp_path, keep=1.0, least={"MD": 20.0, "C": 0.5})
    assert set(strict.curate("ours", samples).ids) == {ids[1], ids[2]}
    reasons = {row["sample_id"]: row["reason"] for row in read_jsonl(tmp_path / "ours" / "rejects.jsonl")}
    assert reasons[ids[0]] == "MD below the threshold"
    assert reasons[ids[4]] == "C below the threshold"


def test_a_balanced_draw_is_even_over_tasks(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    tasks = {sample.id: "rare" if place < 6 else "frequent" for place, sample in enumerate(samples)}
    StatisticsStore.of(tmp_path, "ours", samples).compute(Given("T", "task", pa.string(), tasks), samples)
    kept = Curation(clip, tmp_path, keep=1.0, balanced=14).curate("ours", samples)
    assert Counter(tasks[name] for name in kept.ids) == {"rare": 6, "frequent": 8}
    reasons = Counter(row["reason"] for row in read_jsonl(tmp_path / "ours" / "rejects.jsonl"))
    assert reasons == {"not drawn: its task, frequent, has enough": len(samples) - 14}


def test_statistics_that_are_not_stored_are_named(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no complete statistics of C .* run assess.py"):
        Curation(clip, tmp_path, least={"C": 0.5}).curate("ours", samples[:3])
    with pytest.raises(InputError, match=r"quality.rank_by=\['luck'\]: one or more of MD, C, C_contrast, I_cx_rule"):
        Curation(clip, tmp_path, rank_by=["luck"])


def test_of_two_judges_one_must_be_named(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    samples = samples[:4]
    store = StatisticsStore.of(tmp_path, "ours", samples)
    for key, agreement in (("one|a", 0.0), ("two|b", 1.0)):
        measure = Given("C", "agreement", pa.float64(), {sample.id: agreement for sample in samples})
        measure.key = key
        store.compute(measure, samples)
    with pytest.raises(InputError, match=r"2 statistics of C .*'one|a', 'two|b'"):
        Curation(clip, tmp_path, keep=1.0, least={"C": 0.5}).curate("ours", samples)
    kept = Curation(clip, tmp_path, keep=1.0, least={"C": 0.5}, judge="two").curate("ours", samples)
    assert len(kept.ids) == 4


def test_the_list_has_its_rules_and_one_made_with_others_is_refused_by_both(
    clip: LoadedClip, samples: list[Sample], tmp_path: Path
) -> None:
    half = Curation(clip, tmp_path, keep=0.5, command="python curate.py scale=mini")
    assert half.made("ours") is None
    kept = half.curate("ours", samples)
    assert read_kept(tmp_path / "ours" / "kept_ids.json") == kept == half.made("ours")
    assert kept.rules["keep"] == 0.5 and kept.rules["rank_by"] == ["MD"]
    with pytest.raises(InputError) as refused:
        Curation(clip, tmp_path, command="python curate.py scale=mini").made("ours")
    message = str(refused.value)
    assert "made with quality.keep=0.5, but quality.keep=0.8 here" in message
    assert "add quality.keep=0.5" in message and "`python curate.py scale=mini data=ours`" in message
    other = Curation(clip, tmp_path, keep=0.5, least={"MD": 30.0}, balanced=4)
    with pytest.raises(InputError) as refused:
        other.made("ours")
    message = str(refused.value)
    assert (
        "made with quality.balanced=null quality.least.MD=null, but quality.least.MD=30.0 quality.balanced=4" in message
    )
    assert "data=ours quality.keep=0.5 quality.least.MD=30.0 quality.balanced=4 quality.seed=0`" in message


def test_a_list_made_from_other_data_is_refused(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    curation = Curation(clip, tmp_path)
    kept = curation.curate("ours", samples)
    curation.check(kept, samples)
    with pytest.raises(InputError, match=r"kept_ids.json was made from other data than ours now has .*data=ours"):
        curation.check(kept, samples[1:])


def test_a_threshold_on_what_has_no_values_by_sample_is_refused(clip: LoadedClip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"quality.least.Balance: thresholds are on MD, C, C_contrast, I_cx_rule"):
        Curation(clip, tmp_path, least={"Balance": 1.0})


def test_turns_are_kept_for_themselves_and_images_stay_before_the_first_that_is(
    clip: LoadedClip, samples: list[Sample], tmp_path: Path
) -> None:
    samples = samples[:5]
    store = StatisticsStore.of(tmp_path, "ours", samples)
    votes = {one.id: [1.0] * len(one.turns) for one in samples}
    votes[samples[0].id][0] = votes[samples[0].id][-1] = 0.2  # two turns of the first, and the whole of the second
    votes[samples[1].id] = [0.0] * len(samples[1].turns)
    store.compute(Given("C", "responses", pa.list_(pa.float32()), votes), samples)
    curation = Curation(clip, tmp_path, unit="turn", rank_by=[], keep=1.0, least={"C": 0.5})
    kept = curation.curate("ours", samples)
    assert kept.ids == tuple(one.id for one in samples if one is not samples[1])
    assert kept.turns == {samples[0].id: tuple(range(1, len(samples[0].turns) - 1))}
    first, *others = read_kept(tmp_path / "ours" / "kept_ids.json").of(samples)
    assert [turn.instruction for turn in first.turns] == [turn.instruction for turn in samples[0].turns[1:-1]]
    assert [turn.images for turn in first.turns] == [1, *[0] * (len(first.turns) - 1)] and first.images
    assert others == samples[2:]
    rows = read_jsonl(tmp_path / "ours" / "rejects.jsonl")
    assert len(rows) == 2 + len(samples[1].turns) and {row["reason"] for row in rows} == {"C below the threshold"}
    assert {row["turn"] for row in rows if row["sample_id"] == samples[0].id} == {0, len(samples[0].turns) - 1}
    assert kept.digest != Curation(clip, tmp_path, unit="turn", rank_by=[], keep=1.0).curate("ours", samples).digest


def test_what_is_known_to_be_wrong_is_left_out(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    known = tmp_path / "known.jsonl"
    write_jsonl(known, [{"id": samples[0].id, "turn": 1}, {"id": samples[3].id, "turn": 0}])
    every = Curation(clip, tmp_path, unit="turn", rank_by=[], keep=1.0, known=str(known)).curate("ours", samples[:6])
    assert set(every.turns) == {samples[0].id, samples[3].id} and len(every.ids) == 6
    whole = Curation(clip, tmp_path, rank_by=[], keep=1.0, known=str(known)).curate("ours", samples[:6])
    assert set(whole.ids) == {one.id for one in samples[:6]} - set(every.turns) and not whole.turns
    with pytest.raises(InputError, match="no file of known errors at"):
        Curation(clip, tmp_path, keep=1.0, known=str(tmp_path / "no")).curate("ours", samples[:6])


def test_a_random_share_is_drawn_of_what_is_left(clip: LoadedClip, samples: list[Sample], tmp_path: Path) -> None:
    turns = sum(len(one.turns) for one in samples)

    def left(seed: int) -> tuple[int, str]:
        kept = Curation(clip, tmp_path, unit="turn", rank_by=[], keep=1.0, at_random=0.5, seed=seed).curate(
            "ours", samples
        )
        return sum(len(one.turns) for one in kept.of(samples)), kept.digest

    assert left(0) == left(0) and left(0)[0] == round(0.5 * turns) and left(0)[1] != left(1)[1]


def test_what_repeats_within_a_task_is_capped(clip: LoadedClip, tmp_path: Path) -> None:
    said = [
        ("What color is the cup?", "Red"),
        ("What is the color of the cup?", "Blue"),
        ("Which color does the cup have?", "Red"),
        ("What color is the dog?", "Red"),
        ("What color is the cat?", "Red"),
    ]
    samples = [Sample(str(place), (), (Turn(*pair),)) for place, pair in enumerate(said)]
    store = StatisticsStore.of(tmp_path, "ours", samples)
    tasks = {one.id: ["color"] for one in samples}
    store.compute(Given("T", "tasks", pa.list_(pa.string()), tasks), samples)
    kept = Curation(clip, tmp_path, unit="turn", rank_by=[], keep=1.0, most_alike=2).curate("ours", samples)
    instructions = Counter("cup" for one in kept.ids if int(one) < 3)
    responses = Counter(said[int(one)][1] for one in kept.ids)
    assert instructions["cup"] <= 2 and responses["Red"] <= 2 and len(kept.ids) >= 2
    reasons = {row["reason"] for row in read_jsonl(tmp_path / "ours" / "rejects.jsonl")}
    assert reasons <= {f"repeated: 2 of its task have {what} like it" for what in ("an instruction", "a response")}
