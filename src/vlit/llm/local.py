"""A causal language model of transformers on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.llm.cache import ReplyCache
from vlit.llm.request import CUT_OFF, ChatRequest, Price, Reply


@dataclass(frozen=True)
class LocalModel:
    """A text model in a local folder.

    Attributes:
        folder: folder with the model and its tokenizer, as `save_pretrained` writes them.
        seed: seed of requests that have none; the replies to a request don't depend on the other requests.
        device: device of the model.
        dtype: type of its weights.
    """

    folder: str | Path
    seed: int = 0
    device: str = "cpu"
    dtype: str = "float32"

    @property
    def name(self) -> str:
        """The model's folder."""
        return str(self.folder)

    @property
    def price(self) -> Price:
        """No cost."""
        return Price()

    def body(self, request: ChatRequest) -> dict[str, Any]:
        """Return the request, the model's folder and the sampling."""
        sampling = request.sampling
        return {
            "model": str(self.folder),
            "messages": list(request.messages),
            "temperature": sampling.temperature,
            "n": sampling.n,
            "max_tokens": sampling.max_tokens,
            "seed": self.seed if sampling.seed is None else sampling.seed,
        }

    def answer(self, requests: Mapping[str, ChatRequest], cache: ReplyCache) -> None:
        """Sample the replies that the cache lacks.

        Raises:
            InputError: if the folder contains no model, or several replies are wanted without sampling.
        """
        missing = {key: request for key, request in requests.items() if key not in cache}
        for key, request in tqdm(missing.items(), desc=f"sampling {Path(self.folder).name}", disable=None):
            cache.put(key, self._sampled(key, request))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

        if not (Path(self.folder) / "config.json").is_file():
            raise InputError(f"no model in {self.folder}: name a folder written by save_pretrained with llm.folder=")
        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        model = (
            AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=self.dtype, local_files_only=True, trust_remote_code=False
            )
            .to(self.device)
            .eval()
        )
        return tokenizer, model

    def _sampled(self, key: str, request: ChatRequest) -> Reply:
        import torch

        if not all(isinstance(message["content"], str) for message in request.messages):
            return Reply(error="a local language model reads no images")
        sampling = request.sampling
        if sampling.temperature == 0 and sampling.n > 1:
            raise InputError(f"temperature 0 gives one reply, not {sampling.n}: set sampling.n=1")
        tokenizer, model = self._loaded
        ids = tokenizer(self._prompt(request), return_tensors="pt", add_special_tokens=False).input_ids.to(self.device)
        positions = getattr(model.config, "max_position_embeddings", None)
        if positions is not None and ids.shape[1] + sampling.max_tokens > positions:
            return Reply(error=f"prompt and reply are longer than the model's {positions} positions")
        drawn: dict[str, Any] = {"do_sample": True, "temperature": sampling.temperature}
        if sampling.temperature == 0:  # without the checkpoint's own settings, which are for sampling
            drawn = {"do_sample": False, "temperature": None, "top_p": None}
        torch.manual_seed(int(key[:15], 16) ^ (self.seed if sampling.seed is None else sampling.seed))
        with torch.inference_mode():
            written = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                **drawn,
                num_return_sequences=sampling.n,
                max_new_tokens=sampling.max_tokens,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
            )[:, ids.shape[1] :]
        ended = [tokenizer.eos_token_id in row for row in written.tolist()]
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        finish = ["stop" if end else CUT_OFF for end in ended]
        return Reply(texts, finish, ids.numel(), written.numel())

    def _prompt(self, request: ChatRequest) -> str:
        """Return the messages in the tokenizer's chat template, or as lines with the role where it has none."""
        tokenizer, _ = self._loaded
        if tokenizer.chat_template:
            return str(
                tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
            )
        parts = [f"{message['role'].capitalize()}: {message['content']}" for message in request.messages]
        return f"{tokenizer.bos_token or ''}" + "\n\n".join([*parts, "Assistant:"])
