"""Tiny images, and tiny tokenizers of the two kinds the real models use."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

Colour = tuple[int, int, int]
CORPUS = [
    "A chat between a curious user and an artificial intelligence assistant. USER: ASSISTANT:",
    "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    "Question: What is the dog doing?\nAnswer: The dog is running on the grass.\n",
    "User: How many people are there? GPT: There are two people, one on the left.",
] * 3
SPECIAL = ["<unk>", "<s>", "</s>", "<image>", "<|endofchunk|>", "<pad>"]


@pytest.fixture
def png() -> Callable[..., bytes]:
    def make(colour: Colour = (255, 0, 0), mode: str = "RGB") -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", (8, 6), colour).convert(mode).save(stream, "PNG")
        return stream.getvalue()

    return make


@pytest.fixture
def png_text(png: Callable[..., bytes]) -> Callable[..., str]:
    return lambda colour=(255, 0, 0): base64.b64encode(png(colour)).decode()


@pytest.fixture
def write_image(png: Callable[..., bytes]) -> Callable[..., Path]:
    def write(path: Path, colour: Colour = (255, 0, 0)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(colour))
        return path

    return write


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["<image>", "<|endofchunk|>"],
        clean_up_tokenization_spaces=False,
    )


@pytest.fixture(scope="session")
def byte_level() -> PreTrainedTokenizerFast:
    """As OPT's and MPT's: byte-level BPE, a space belongs to the word after it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return _wrap(tokenizer)


def _llama_model() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    letters = list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;?!'▁")
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIAL + bytes_, initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator([line.replace("\n", " ") for line in CORPUS], trainer)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


@pytest.fixture(scope="session")
def llama_legacy() -> PreTrainedTokenizerFast:
    """As Vicuna's (legacy): a space is put before every stretch of text, also after a control token."""
    tokenizer = _llama_model()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = None
    return _wrap(tokenizer)


@pytest.fixture(scope="session")
def llama_first() -> PreTrainedTokenizerFast:
    """As Llama's now: a space is put before the first word only."""
    tokenizer = _llama_model()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return _wrap(tokenizer)


@pytest.fixture(params=["byte_level", "llama_legacy", "llama_first"])
def any_tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return request.getfixturevalue(request.param)
