"""The mini tokenizer: byte-level BPE over the world's text, so that the world's words are single tokens and any other
text can still be written, byte by byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<s>", "</s>", "<image>", "<|endofchunk|>")


def train(texts: Iterable[str], size: int, folder: Path) -> PreTrainedTokenizerFast:
    """Train the tokenizer and save it as a transformers folder."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=["<image>", "<|endofchunk|>"],
        clean_up_tokenization_spaces=False,
    )
    fast.save_pretrained(str(folder))
    return fast
