"""Doses have equal sizes, move only their own principle, are the same bytes again, and impossible ones are refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from vlit.common.errors import InputError
from vlit.data.formats.coco_arc import read_coco_arc
from vlit.data.sample import Rejects, Sample
from vlit.mini.doses.build import build_dose, varied
from vlit.mini.doses.design import PRINCIPLES, dose, doses
from vlit.quality.indicators.balance import balance
from vlit.quality.indicators.instruction_complexity import RuleComplexity
from vlit.quality.indicators.instruction_diversity import InstructionDiversity

SAMPLES = 40
DESIGN = {each.name: each for each in doses()}
# The settings that the doses of a principle may change.
SETTINGS = {
    "correctness": {"error_rate"},
    "task_diversity": {"abilities"},
    "instruction_diversity": {"wordings", "carriers"},
    "response_diversity": {"sentences", "openers"},
    "complexity": {"turns"},
    "balance": {"favoured"},
}


@pytest.fixture(scope="module")
def built(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build the base and the first and last level of each principle."""
    folder = tmp_path_factory.mktemp("doses")
    chosen = [each for each in doses() if each.level in (0, 1, 4)]
    return {
        each.name: build_dose(each.principle, each.level, SAMPLES, 0, cache / "world", folder / each.name)
        for each in chosen
    }


def read(folder: Path, cache: Path) -> list[Sample]:
    return read_coco_arc(folder, cache / "world/coco/train2014", Rejects(), kinds=["global"], check=None)


def counted(folder: Path) -> dict[str, object]:
    return json.loads((folder / "dose.json").read_text())["counted"]


def test_the_design_has_a_base_and_24_datasets_that_vary_one_principle_each() -> None:
    assert len(DESIGN) == 25
    for each in DESIGN.values():
        assert set(varied(each.settings)) <= SETTINGS.get(each.principle, set())
        assert bool(varied(each.settings)) == (each.level > 0)
    for principle in PRINCIPLES:
        levels = [each.dose for each in DESIGN.values() if each.principle == principle]
        assert len(levels) == 4
        assert levels == sorted(set(levels))


def test_all_have_the_same_size_and_every_sample_is_read(built: dict[str, Path], cache: Path) -> None:
    for folder in built.values():
        assert len(read(folder, cache)) == SAMPLES
        assert counted(folder)["questions"] == 5 * SAMPLES


def test_only_the_intended_principle_moves(built: dict[str, Path], cache: Path) -> None:
    found = {name: measured(folder, read(folder, cache)) for name, folder in built.items()}
    base = found["dose_base_0"]

    def moved(name: str) -> set[str]:
        return {key for key, value in found[name].items() if value != pytest.approx(base[key], rel=0.1, abs=0.05)}

    # Balance, I_div and I_cx_rule are quality indicators; `tasks` and `wrong` are the maker's own counts.
    assert moved("dose_correctness_4") == {"wrong"}
    others = {"I_div", "I_cx_rule", "Balance", "instructions", "responses"}  # two abilities are asked in fewer words
    assert moved("dose_task_diversity_1") - others == {"tasks"}
    assert "I_div" in moved("dose_instruction_diversity_1")
    assert moved("dose_instruction_diversity_1") <= {"I_div", "instructions", "I_cx_rule"}
    assert moved("dose_response_diversity_1") <= moved("dose_response_diversity_4") == {"responses"}
    assert found["dose_response_diversity_1"]["responses"] < base["responses"]
    assert moved("dose_complexity_4") >= {"I_cx_rule"}
    assert not moved("dose_complexity_4") & {"wrong", "tasks", "Balance"}
    assert "Balance" in moved("dose_balance_4")
    assert not moved("dose_balance_4") & {"wrong", "tasks"}


def measured(folder: Path, samples: list[Sample]) -> dict[str, float]:
    kinds: list[str] = []
    for ability, number in counted(folder)["abilities"].items():  # type: ignore[attr-defined]
        kinds += [ability] * number
    texts = [turn.instruction for sample in samples for turn in sample.turns]
    scores = [row["complexity"] for row in RuleComplexity().rows(samples)]
    return {
        "wrong": counted(folder)["wrong_responses"] / (5 * SAMPLES),  # type: ignore[operator]
        "tasks": len(set(kinds)),
        "Balance": balance(kinds),
        "I_div": InstructionDiversity().of([("all", text) for text in texts])[0],
        "I_cx_rule": sum(scores) / len(scores),
        "instructions": len(set(texts)),
        "responses": len({tuple(turn.response.split()[:2]) for sample in samples for turn in sample.turns}),
    }


def test_errors_change_responses_only_and_grow_from_level_to_level(cache: Path, tmp_path: Path) -> None:
    def turns(level: int) -> list[tuple[str, str]]:
        name = "correctness" if level else "base"
        samples = read(build_dose(name, level, SAMPLES, 0, cache / "world", tmp_path / str(level)), cache)
        return [(turn.instruction, turn.response) for sample in samples for turn in sample.turns]

    right, *wrong = (turns(level) for level in range(5))
    spoiled: set[int] = set()
    for level in wrong:
        assert [instruction for instruction, _ in level] == [instruction for instruction, _ in right]
        now = {index for index, (a, b) in enumerate(zip(level, right, strict=True)) if a != b}
        assert spoiled < now
        spoiled = now


def test_questions_in_one_instruction_are_those_of_the_base(built: dict[str, Path], cache: Path) -> None:
    separate, joined = read(built["dose_base_0"], cache), read(built["dose_complexity_4"], cache)
    for one, other in zip(separate, joined, strict=True):
        assert " ".join(turn.instruction for turn in one.turns) == other.turns[0].instruction
        assert len(other.turns) == 1


def test_a_favoured_ability_has_its_share(built: dict[str, Path]) -> None:
    shares = Counter(counted(built["dose_balance_4"])["abilities"])
    assert shares["attribute"] / (5 * SAMPLES) == pytest.approx(0.7, abs=0.06)
    assert len(shares) == 9


def test_the_same_dose_is_the_same_bytes_and_is_not_built_again(cache: Path, tmp_path: Path) -> None:
    first, second = (build_dose("correctness", 2, 10, 0, cache / "world", tmp_path / name) for name in "ab")
    for file in ("global.json", "dose.json", "planted_errors.jsonl"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    before = (first / "global.json").stat().st_mtime_ns
    build_dose("correctness", 2, 10, 0, cache / "world", first)
    assert (first / "global.json").stat().st_mtime_ns == before
    build_dose("correctness", 3, 10, 0, cache / "world", first)
    assert (first / "global.json").stat().st_mtime_ns != before


def test_what_is_not_in_the_design_is_refused(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose from base, correctness"):
        dose("kindness", 1)
    with pytest.raises(InputError, match="levels 1 to 4"):
        dose("balance", 5)
    with pytest.raises(InputError, match="level 0 only"):
        dose("base", 1)
    with pytest.raises(InputError, match=r"dose\.samples"):
        build_dose("base", 0, 10_000, 0, cache / "world", tmp_path / "many")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(InputError, match="move it away"):
        build_dose("base", 0, 5, 0, cache / "world", tmp_path / "mine")
