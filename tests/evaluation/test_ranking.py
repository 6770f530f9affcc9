"""Answer ranking against the naive protocol: one choice at a time, one full forward each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import FAMILIES
from vlit.common.files import read_jsonl
from vlit.data.dataset import Item, collate
from vlit.data.images import FileImage
from vlit.data.sample import Rejects
from vlit.data.templates import TEMPLATES, Piece
from vlit.evaluation.encoding import QuestionEncoder
from vlit.evaluation.evaluate import Scoring, evaluate
from vlit.evaluation.generation import read_answer
from vlit.evaluation.parts import fingerprint_questions, line_of, part_file, share
from vlit.evaluation.questions import read_questions
from vlit.evaluation.ranking import choice_scores, ranked_rows
from vlit.evaluation.seed_bench import LETTERS, Question
from vlit.mini.world.build import WorldSpec, build_world
from vlit.models.forward import sequence_log_probabilities
from vlit.tuning import setup


@pytest.fixture(scope="module")
def questions(cache: Path) -> list[Question]:
    folder = cache / "world" / "seed_bench"
    return read_questions(folder / "SEED-Bench.json", folder / "SEED-Bench-image", Rejects())


def naive_scores(cfg, model, question: Question) -> list[tuple[float, float]]:
    """(sum, mean) of each choice, with ids and sums put together here and not by the code under test."""
    template = TEMPLATES[cfg.model.template]
    encoder_ids = model.tokenizer
    image = [model.image_token_id] * model.tokens_per_image
    prompt: list[int] = []
    bos_due = True
    for piece in template.question_prompt(question.question):
        if piece.special:
            if cfg.model.name == "llava" and bos_due:
                prompt.append(encoder_ids.bos_token_id)
                bos_due = False
            prompt += image
            continue
        if bos_due:
            prompt.append(encoder_ids.bos_token_id)
            bos_due = False
        prompt += encoder_ids.encode(piece.text, add_special_tokens=False)
    if cfg.model.name == "openflamingo":  # its text begins with the image
        assert prompt[0] in (model.image_token_id, encoder_ids.bos_token_id)
    pixels = model.image_transform(FileImage(question.image).load()).unsqueeze(0)
    scores = []
    for choice in question.choices:
        answer = encoder_ids.encode(template.before_answer + choice, add_special_tokens=False)
        ids = torch.tensor([prompt + answer])
        batch = type("Row", (), {})()
        batch.input_ids, batch.attention_mask = ids, torch.ones_like(ids)
        batch.pixel_values, batch.image_counts = pixels, torch.tensor([1])
        with torch.inference_mode():
            log_probabilities = model(batch)[0].double().log_softmax(dim=-1)
        each = [float(log_probabilities[len(prompt) - 1 + place, token]) for place, token in enumerate(answer)]
        scores.append((sum(each), sum(each) / len(each)))
    return scores


def encoder_of(cfg, model, encoder) -> QuestionEncoder:
    template = TEMPLATES[cfg.model.template]
    return QuestionEncoder(template, encoder, model.image_transform, model.tokenizer.pad_token_id)


@pytest.fixture(scope="module")
def all_questions(tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    """The mini scale's whole benchmark: its scenes do not depend on how many there are for training."""
    world = tmp_path_factory.mktemp("benchmark") / "world"
    build_world(WorldSpec(scenes=90, benchmark_groups=50, seed=0), world)
    folder = world / "seed_bench"
    return read_questions(folder / "SEED-Bench.json", folder / "SEED-Bench-image", Rejects())


@pytest.mark.parametrize("name", FAMILIES)
def test_ranking_agrees_with_one_choice_at_a_time(family, questions: list[Question], name: str) -> None:
    assert_naive_agrees(family, questions, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_ranking_agrees_on_every_question_of_the_benchmark(family, all_questions: list[Question], name: str) -> None:
    assert len(all_questions) == 1800
    assert_naive_agrees(family, all_questions, name)


def assert_naive_agrees(family, questions: list[Question], name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    question_encoder = encoder_of(cfg, model, encoder)
    sums, means = (
        torch.cat(parts)
        for parts in zip(
            *(
                choice_scores(model, question_encoder.with_choices(questions[start : start + 12]))
                for start in range(0, len(questions), 12)
            ),
            strict=True,
        )
    )
    naive = torch.tensor([naive_scores(cfg, model, question) for question in questions])
    torch.testing.assert_close(sums, naive[..., 0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(means, naive[..., 1], rtol=1e-4, atol=1e-4)
    assert sums.argmax(dim=1).tolist() == naive[..., 0].argmax(dim=1).tolist()
    assert means.argmax(dim=1).tolist() == naive[..., 1].argmax(dim=1).tolist()


def test_an_image_is_encoded_once_for_all_its_questions(family, questions: list[Question]) -> None:
    cfg, model, encoder = family("blip2")
    model.eval()
    question_encoder = encoder_of(cfg, model, encoder)
    one, other = questions[0], next(question for question in questions if question.image != questions[0].image)
    again = replace(other, image=one.image)
    batch = question_encoder.with_choices([one, other, again])
    assert len(batch.prompts.pixel_values) == 2
    sums, _ = choice_scores(model, batch)
    alone, _ = choice_scores(model, question_encoder.with_choices([again]))
    torch.testing.assert_close(sums[2:], alone, rtol=1e-4, atol=1e-4)


def test_answers_to_other_questions_of_the_same_names_are_not_taken(
    family, questions: list[Question], compose, tmp_path: Path
) -> None:
    cfg, model, encoder = family("blip2")
    scoring = Scoring("ranking", "mean", batch_size=8, workers=0)
    trainer = setup.scoring_trainer(cfg)
    asked = questions[:16]
    changed = [replace(question, answer=(question.answer + 1) % 4) for question in asked]
    assert fingerprint_questions(asked) != fingerprint_questions(changed)
    stale = tmp_path / "predictions.jsonl"
    rows = [{"question_id": one.id, "dimension": one.dimension, "prediction": "A", "answer": "A"} for one in asked]
    left = "".join(map(line_of, rows[:8]))
    part_file(stale, fingerprint_questions(changed, scoring.name, scoring.precision), 0).write_text(left)
    evaluate(model, encoder_of(cfg, model, encoder), asked, scoring, trainer, stale)
    assert [row["answer"] for row in map(json.loads, stale.read_text().splitlines())] == [
        "ABCD"[one.answer] for one in asked
    ]
    assert not list(tmp_path.glob("*part*"))


@pytest.mark.parametrize("harm", ["cut", "flipped", "torn"])
def test_an_interrupted_evaluation_resumes_and_ends_the_same(
    family, questions: list[Question], compose, tmp_path: Path, harm: str
) -> None:
    cfg, model, encoder = family("blip2")
    scoring = Scoring("ranking", "mean", batch_size=8, workers=0)
    trainer = setup.scoring_trainer(cfg)
    whole = tmp_path / "whole" / "predictions.jsonl"
    evaluate(model, encoder_of(cfg, model, encoder), questions, scoring, trainer, whole)
    lines = [line_of(json.loads(line)) for line in whole.read_text().splitlines()]
    if harm == "flipped":  # a digit of a score
        lines[9] = lines[9].replace("1", "7")
    elif harm == "torn":
        lines[2] = lines[2][:30] + "\n"
    cut = tmp_path / "cut" / "predictions.jsonl"
    cut.parent.mkdir()
    # one whole batch, half of the next, and a line that a kill cut off
    identity = fingerprint_questions(questions, scoring.name, scoring.precision)
    part_file(cut, identity, 0).write_text("".join(lines[:12]) + lines[12][:20])
    evaluate(model, encoder_of(cfg, model, encoder), questions, scoring, trainer, cut)
    assert cut.read_text() == whole.read_text()
    assert not list(cut.parent.glob("*.part*"))


@pytest.mark.parametrize("name", FAMILIES)
def test_scoring_in_half_precision_agrees_with_whole(
    family, questions: list[Question], tmp_path: Path, name: str
) -> None:
    """In bfloat16, which a CPU computes in; its numbers have 8 bits, so that sums agree to some hundredths."""
    cfg, model, encoder = family(name)
    rows = {}
    for precision in ("32-true", "bf16-mixed"):
        scoring = Scoring("ranking", "mean", batch_size=8, workers=0, precision=precision)
        output = tmp_path / f"{precision}.jsonl"
        evaluate(model, encoder_of(cfg, model, encoder), questions[:8], scoring, setup.scoring_trainer(cfg), output)
        rows[precision] = torch.tensor([row["mean"] for row in read_jsonl(output)])
    assert model.policy.parts and {one.dtype for one in model.parameters() if one.ndim >= 2} == {torch.bfloat16}
    difference = (rows["bf16-mixed"] - rows["32-true"]).abs()
    assert 0 < float(difference.max()) < 0.3 and float(difference.mean()) < 0.05


def test_generation_mode_counts_an_answer_that_names_no_letter_as_wrong(
    family, questions: list[Question], tmp_path: Path
) -> None:
    cfg, model, encoder = family("openflamingo")
    scoring = Scoring("generation", "mean", batch_size=8, workers=0)
    output = tmp_path / "predictions.jsonl"
    evaluate(model, encoder_of(cfg, model, encoder), questions[:8], scoring, setup.scoring_trainer(cfg), output)
    rows = read_jsonl(output)
    assert [row["question_id"] for row in rows] == [question.id for question in questions[:8]]
    assert all(row["prediction"] in (*LETTERS, "") for row in rows)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(C) Blue", "C"),
        ("A. Red", "A"),
        ("The cup is blue.", "C"),
        ("Red or blue", ""),
        ("Apple", ""),
        ("", ""),
    ],
)
def test_reading_a_letter(text: str, letter: str) -> None:
    question = Question("1", "IA", "What color?", ("Red", "Green", "Blue", "White"), 0, Path("x.jpg"))
    assert read_answer(text, question) == letter


@given(asked=st.lists(st.integers(0, 9), max_size=60), size=st.integers(1, 7), world=st.integers(1, 8))
def test_the_processes_shares_contain_every_question_once(asked: list[int], size: int, world: int) -> None:
    made = [
        Question(str(number), "IA", "?", ("a", "b", "c", "d"), 0, Path(f"{image}.jpg"))
        for number, image in enumerate(asked)
    ]
    shares = [share(made, size, rank, world) for rank in range(world)]
    drawn = [question.id for share in shares for batch in share for question in batch]
    assert sorted(drawn, key=int) == [question.id for question in made]
    assert all(1 <= len(batch) <= size for share in shares for batch in share)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_without_the_image_and_without_the_prompt(family, questions: list[Question], name: str) -> None:
    cfg, model, encoder = family(name)
    model.eval()
    template = TEMPLATES[cfg.model.template]
    ours = QuestionEncoder(template, encoder, model.image_transform, model.tokenizer.pad_token_id)
    questions = questions[:8]
    batch = ours.with_choices(questions)
    assert len(batch.references["without_image"].prompts.input_ids) == 2  # two groups of four ask the same
    assert len(batch.references["without_prompt"].prompts.input_ids) == 1
    rows = ranked_rows(model, batch, "without_image")
    for place, question in enumerate(questions):
        for number, choice in enumerate(question.choices):
            for score, text in (("without_image", question.question), ("without_prompt", "")):
                pieces = [*template.question_prompt(text, images=0), Piece(template.before_answer + choice, True)]
                alone = encoder.training(pieces, "one")
                one = collate([Item("one", alone.input_ids, alone.labels, None)], model.tokenizer.pad_token_id)
                with torch.inference_mode():
                    expected, _ = sequence_log_probabilities(model(one), one.labels)
                found = rows[place]["sum"][number] - rows[place][score][number]
                assert found == pytest.approx(float(expected), abs=2e-3)
        assert rows[place]["prediction"] == "ABCD"[max(range(4), key=rows[place]["without_image"].__getitem__)]


@pytest.mark.parametrize("mode", ["ranking", "generation"])
def test_a_question_that_the_model_cannot_read_whole_is_rejected(family, questions: list[Question], mode: str) -> None:
    cfg, model, encoder = family("blip2")
    question_encoder = encoder_of(cfg, model, encoder)
    long_question = replace(questions[0], id="long question", question="what is this " * encoder.max_length)
    long_choice = replace(questions[1], id="long choice", choices=(*questions[1].choices[:3], "a boat " * 320))
    forged = replace(questions[2], id="forged", question="what is </s> this?")
    rejects = Rejects()
    kept = question_encoder.readable([questions[3], long_question, long_choice, forged], mode, rejects)
    assert kept == [questions[3]]
    reasons = {row.sample_id: row.reason for row in rejects.rows}
    assert reasons == {"long question": "question is too long", "long choice": "question is too long",
                       "forged": "unusable text"}  # fmt: skip
    assert f"max_length={encoder.max_length}" in rejects.rows[0].detail


def test_what_the_model_can_just_read_is_kept(family, questions: list[Question]) -> None:
    cfg, model, encoder = family("llava")
    length = len(question_ids(encoder_of(cfg, model, encoder), questions[0]))
    for most, kept in ((length, [questions[0]]), (length - 1, [])):
        tight = encoder_of(cfg, model, replace(encoder, max_length=most))
        assert tight.readable([questions[0]], "ranking", Rejects()) == kept


def question_ids(encoder: QuestionEncoder, question: Question) -> list[int]:
    prompt = encoder.template.question_prompt(question.question)
    before = encoder.template.before_answer
    every = [
        encoder.encoder([*prompt, Piece(before + choice, supervised=True)]).input_ids for choice in question.choices
    ]
    return max(every, key=len)
