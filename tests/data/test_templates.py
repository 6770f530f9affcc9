import pytest

from vlit.common.errors import InputError
from vlit.data.checks import SPECIAL_TOKENS
from vlit.data.images import Base64Image
from vlit.data.sample import Sample, Turn
from vlit.data.templates import BLIP2, FLAMINGO, OPENFLAMINGO_VQA, TEMPLATES, VICUNA_V1

IMAGES = (Base64Image("a"), Base64Image("b"))
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
TWO_TURNS = Sample("s/0", IMAGES[:1], (Turn("What?", "A dog.", images=1), Turn("Where?", "Here.")))
IN_CONTEXT = Sample("s/1", IMAGES, (Turn("What?", "A cat.", 1, supervised=False), Turn("Who?", "Bo.", 1)))


def text(pieces):
    return "".join(piece.text for piece in pieces)


def learned(pieces):
    return [piece.text for piece in pieces if piece.supervised]


def test_vicuna_v1():
    pieces = VICUNA_V1.render(TWO_TURNS)
    assert text(pieces) == (
        SYSTEM + " USER: <image>\nWhat? ASSISTANT: A dog.</s>USER: Where? ASSISTANT: Here.</s>"
    )  # what LLaVA's conversation.py gives for "v1"
    assert learned(pieces) == [" A dog.", "</s>", " Here.", "</s>"]


def test_vicuna_v1_with_two_images_and_with_none():
    pair = Sample("s/2", IMAGES, (Turn("Which?", "Both.", images=2),))
    assert text(VICUNA_V1.render(pair)) == SYSTEM + " USER: <image>\n<image>\nWhich? ASSISTANT: Both.</s>"
    alone = Sample("s/3", (), (Turn("Hi", "Hello."),))
    assert text(VICUNA_V1.render(alone)) == SYSTEM + " USER: Hi ASSISTANT: Hello.</s>"


def test_blip2():
    pieces = BLIP2.render(TWO_TURNS)
    assert text(pieces) == "<image>Question: What?\nAnswer: A dog.\nQuestion: Where?\nAnswer: Here.\n"
    assert learned(pieces) == [" A dog.\n", " Here.\n"]


def test_flamingo_learns_after_answer_and_not_from_examples():
    pieces = FLAMINGO.render(IN_CONTEXT)
    assert text(pieces) == (
        "<image>User:What? GPT:<answer>A cat.<|endofchunk|><image>User:Who? GPT:<answer>Bo.<|endofchunk|>"
    )
    assert learned(pieces) == ["Bo.", "<|endofchunk|>"]


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        (VICUNA_V1, SYSTEM + " USER: <image>\nWhat? ASSISTANT:"),
        (BLIP2, "<image>Question: What?\nAnswer:"),
        (FLAMINGO, "<image>User:What? GPT:<answer>"),
        (OPENFLAMINGO_VQA, "<image>Question:What? Short answer:"),
    ],
)
def test_benchmark_prompt_is_how_training_begins(template, prompt):
    pieces = template.question_prompt("What?")
    assert text(pieces) == prompt
    assert not learned(pieces)
    trained = template.render(Sample("s/0", IMAGES[:1], (Turn("What?", "A dog.", images=1),)))
    assert pieces + template.answer("A dog.") == trained


@pytest.mark.parametrize("template", TEMPLATES.values())
def test_readers_keep_every_control_token_out_of_texts(template):
    tokens = {piece.text for piece in template.render(TWO_TURNS) if piece.special}
    assert tokens <= set(SPECIAL_TOKENS)


def test_turns_must_show_all_images():
    with pytest.raises(InputError, match="s/4: its turns show 1 images, it has 2"):
        BLIP2.render(Sample("s/4", IMAGES, (Turn("q", "a", 1),)))
