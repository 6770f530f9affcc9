"""Generation by a causal language model of transformers on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vlit.common.errors import InputError
from vlit.llm.cache import ReplyCache
from vlit.llm.request import CUT_OFF, Asked, Price, Reply


@dataclass(frozen=True)
class LocalGenerator:
    """Samples candidates from a model in a local folder.

    Attributes:
        folder: holds the model and its tokenizer, as `save_pretrained` writes them.
        temperature: 0.8 in the paper; 0 takes the likeliest token each time (then n is 1).
        n: candidates a request; 5 in the paper.
        max_tokens: of a candidate.
        seed: of the sampling; a request's candidates don't depend on the other requests.
        device: where the model runs.
        dtype: of its weights.
    """

    folder: str | Path
    temperature: float
    n: int
    max_tokens: int
    seed: int
    device: str = "cpu"
    dtype: str = "float32"

    @property
    def price(self) -> Price:
        """Nothing."""
        return Price()

    def body(self, request: Asked) -> dict[str, Any]:
        """The request, the model's folder and the sampling."""
        return {
            "model": str(self.folder),
            "messages": list(request.messages),
            "temperature": self.temperature,
            "n": self.n,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }

    def answer(self, requests: Mapping[str, Asked], cache: ReplyCache) -> None:
        """Sample what the cache lacks.

        Raises:
            InputError: if the folder holds no model.
        """
        missing = {key: request for key, request in requests.items() if key not in cache}
        for key, request in tqdm(missing.items(), desc=f"sampling {Path(self.folder).name}", disable=None):
            cache.put(key, self._sampled(key, request))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)

        if not (Path(self.folder) / "config.json").is_file():
            raise InputError(f"no model in {self.folder}: name a folder written by save_pretrained (generator folder=)")
        tokenizer = AutoTokenizer.from_pretrained(self.folder)
        model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=self.dtype).to(self.device).eval()
        return tokenizer, model

    def _sampled(self, key: str, request: Asked) -> Reply:
        import torch

        tokenizer, model = self._loaded
        ids = tokenizer(self._prompt(request), return_tensors="pt", add_special_tokens=False).input_ids.to(self.device)
        room = getattr(model.config, "max_position_embeddings", None)
        if room is not None and ids.shape[1] + self.max_tokens > room:
            return Reply(error=f"the prompt is longer than the model's {room} positions leave room for")
        torch.manual_seed(int(key[:15], 16) ^ self.seed)
        with torch.inference_mode():
            written = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                **self._sampling(),
                num_return_sequences=self.n,
                max_new_tokens=self.max_tokens,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
            )[:, ids.shape[1] :]
        ended = [tokenizer.eos_token_id in row for row in written.tolist()]
        texts = tokenizer.batch_decode(written, skip_special_tokens=True)
        finish = ["stop" if end else CUT_OFF for end in ended]
        return Reply(texts, finish, ids.numel(), written.numel())

    def _sampling(self) -> dict[str, Any]:
        if self.temperature > 0:
            return {"do_sample": True, "temperature": self.temperature}
        return {"do_sample": False, "temperature": None, "top_p": None}  # a checkpoint's own settings are for sampling

    def _prompt(self, request: Asked) -> str:
        tokenizer, _ = self._loaded
        if tokenizer.chat_template:
            return str(
                tokenizer.apply_chat_template(list(request.messages), tokenize=False, add_generation_prompt=True)
            )
        parts = [f"{message['role'].capitalize()}: {message['content']}" for message in request.messages]
        return f"{tokenizer.bos_token or ''}" + "\n\n".join([*parts, "Assistant:"])
