"""Ids and labels of prompts: supervised tokens are exactly the responses, whatever the tokenizer."""

import copy

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from vlit.common.errors import InputError
from vlit.data.checks import SPECIAL_TOKENS
from vlit.data.encode import IGNORED, Encoder, NoSupervisedToken, UnusableText
from vlit.data.images import Base64Image
from vlit.data.sample import Sample, Turn
from vlit.data.templates import BLIP2, FLAMINGO, TEMPLATES, VICUNA_V1, Piece

TEXT = (
    st.text(min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda text: text and not any(token in text for token in SPECIAL_TOKENS))
)
CONVERSATIONS = st.lists(st.builds(Turn, TEXT, TEXT, st.integers(0, 2), st.booleans()), min_size=1, max_size=4).filter(
    lambda turns: any(turn.supervised for turn in turns)
)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sample_of(turns):
    images = sum(turn.images for turn in turns)
    return Sample("s/0", tuple(Base64Image(str(number)) for number in range(images)), tuple(turns))


def encoder(tokenizer, **changes):
    options = {"tokens_per_image": 3, "max_length": 100_000, "add_bos": True} | changes
    return Encoder(tokenizer, tokenizer.convert_tokens_to_ids("<image>"), **options)


def learned_text(tokenizer, encoded):
    return tokenizer.decode([label for label in encoded.labels if label != IGNORED])


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@QUICK
@given(turns=CONVERSATIONS)
def test_labels_are_exactly_the_responses(byte_level, template, turns):
    sample = sample_of(turns)
    encoded = encoder(byte_level).training(template.render(sample), sample.id)
    expected = "".join(template.before_answer + turn.response + template.end for turn in turns if turn.supervised)
    assert learned_text(byte_level, encoded) == expected
    assert all(label in (IGNORED, token) for label, token in zip(encoded.labels, encoded.input_ids, strict=True))
    assert encoded.images == len(sample.images)
    assert encoded.input_ids.count(byte_level.convert_tokens_to_ids("<image>")) == 3 * len(sample.images)


@pytest.mark.parametrize("tokenizer", ["llama_legacy", "llama_first"])
@QUICK
@given(turns=CONVERSATIONS)
def test_llama_labels_are_exactly_the_responses(request, tokenizer, turns):
    assume(not any("▁" in turn.response for turn in turns))  # SentencePiece itself reads this letter as a space
    tokenizer = request.getfixturevalue(tokenizer)
    encoded = encoder(tokenizer).training(VICUNA_V1.render(sample_of(turns)), "s/0")
    expected = "".join(f" {turn.response}</s>" for turn in turns if turn.supervised)
    assert learned_text(tokenizer, encoded) == expected[1:]  # decoding drops the first space, as it does for any text


@pytest.mark.parametrize("template", [VICUNA_V1, BLIP2], ids=["vicuna_v1", "blip2"])
@QUICK
@given(turns=CONVERSATIONS)
def test_same_tokens_as_the_whole_prompt(any_tokenizer, template, turns):
    pieces = template.render(sample_of(turns))
    whole = any_tokenizer.encode("".join(piece.text for piece in pieces), add_special_tokens=False)
    assert encoder(any_tokenizer, tokens_per_image=1, add_bos=False)(pieces).input_ids == whole


def test_flamingo_has_the_tokens_of_the_whole_prompt_for_plain_answers(byte_level):
    pieces = FLAMINGO.render(sample_of([Turn("What?", "A dog.", 1), Turn("Who?", "Nobody, I think.", 1)]))
    whole = byte_level.encode("".join(piece.text for piece in pieces), add_special_tokens=False)
    assert encoder(byte_level, tokens_per_image=1, add_bos=False)(pieces).input_ids == whole


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
@QUICK
@given(question=TEXT, answer=TEXT)
def test_an_answer_has_the_same_tokens_in_tuning_and_benchmark(any_tokenizer, template, question, answer):
    encode = encoder(any_tokenizer)
    trained = encode.training(template.render(sample_of([Turn(question, answer, 1)])), "s/0")
    prompt = encode(template.question_prompt(question))
    assert trained.input_ids[: len(prompt.input_ids)] == prompt.input_ids
    other = encode(template.question_prompt("Why?") + template.answer(answer))
    assert [label for label in other.labels if label != IGNORED] == trained.input_ids[len(prompt.input_ids) :]


def test_bos_comes_first_but_after_leading_images(byte_level):
    bos, image = byte_level.bos_token_id, byte_level.convert_tokens_to_ids("<image>")
    turns = [Turn("What?", "A dog.", images=1)]
    blip2 = encoder(byte_level)(BLIP2.render(sample_of(turns))).input_ids
    assert blip2[:4] == [image, image, image, bos]
    vicuna = encoder(byte_level)(VICUNA_V1.render(sample_of(turns))).input_ids
    assert vicuna[0] == bos
    for ids in (blip2, vicuna):
        assert ids.count(bos) == 1
    assert bos not in encoder(byte_level, add_bos=False)(BLIP2.render(sample_of(turns))).input_ids


def test_cut_sequence_is_marked(byte_level):
    pieces = BLIP2.render(sample_of([Turn("What?", "A dog.", 1)]))
    full = encoder(byte_level).training(pieces, "s/0")
    assert not full.truncated
    length = len(full.input_ids)
    assert encoder(byte_level, max_length=length).training(pieces, "s/0") == full
    cut = encoder(byte_level, max_length=length - 2).training(pieces, "s/0")
    assert cut.truncated
    assert cut.input_ids == full.input_ids[:-2]
    assert cut.labels == full.labels[:-2]


def test_cut_never_splits_an_image(byte_level):
    pieces = FLAMINGO.render(sample_of([Turn("What?", "A dog.", 1), Turn("Who?", "Bo.", 1)]))
    image = byte_level.convert_tokens_to_ids("<image>")
    full = encoder(byte_level).training(pieces, "s/0")
    second = [at for at, token in enumerate(full.input_ids) if token == image][3]
    for extra in (0, 1, 2):
        cut = encoder(byte_level, max_length=second + extra).training(pieces, "s/0")
        assert cut.images == 1
        assert cut.input_ids == full.input_ids[:second]
    assert encoder(byte_level, max_length=second + 3).training(pieces, "s/0").images == 2


def test_sample_without_supervised_token_is_an_error_that_says_why(byte_level):
    pieces = BLIP2.render(sample_of([Turn("A long question", "A dog.", 1)]))
    with pytest.raises(NoSupervisedToken, match=r"sample s/7 .*max_length=6"):
        encoder(byte_level, max_length=6).training(pieces, "s/7")
    context = BLIP2.render(sample_of([Turn("Q", "A", 1, supervised=False)]))
    with pytest.raises(NoSupervisedToken, match=r"sample s/8 .*no turn"):
        encoder(byte_level).training(context, "s/8")
    assert issubclass(NoSupervisedToken, InputError)


@pytest.mark.parametrize("token", ["</s>", "<image>", "<|endofchunk|>", "<pad>"])
def test_control_tokens_in_text_are_refused(any_tokenizer, token):
    with pytest.raises(UnusableText, match="question 12"):
        encoder(any_tokenizer)(BLIP2.question_prompt(f"Is {token} here?"), "question 12")


def test_template_token_must_be_in_the_vocabulary(byte_level):
    with pytest.raises(InputError, match=r"no token <\|im_end\|>"):
        encoder(byte_level)([Piece("<|im_end|>", special=True)])


def test_end_token_that_is_also_the_unknown_token_is_refused_in_text(byte_level):
    tokenizer = copy.deepcopy(byte_level)
    tokenizer.unk_token = "</s>"  # as in OPT's tokenizer
    with pytest.raises(UnusableText):
        encoder(tokenizer)(BLIP2.question_prompt("Is </s> here?"))
    assert encoder(tokenizer)([Piece("</s>", special=True)]).input_ids[-1] == tokenizer.eos_token_id
