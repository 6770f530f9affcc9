"""LLaVA 1.5 through transformers as a judge: the paper's own choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor, LlavaForConditionalGeneration

from vlit.common.errors import InputError
from vlit.data.sample import Sample, Turn
from vlit.llm.vision import ChatServer
from vlit.quality.indicators.correctness import JUDGE_PROMPT, question, read_vote


class LlavaJudge:
    """A local checkpoint in transformers' format, such as llava-hf/llava-1.5-7b-hf.

    Raises:
        InputError: if nothing is at the folder.
    """

    name = "llava"

    def __init__(self, folder: str, temperature: float = 0.7, dtype: str = "auto", device: str = "cpu") -> None:
        if not (Path(folder) / "config.json").is_file():
            raise InputError(f"no LLaVA at {folder}: get llava-hf/llava-1.5-7b-hf, or choose another judge")
        self.key = f"{Path(folder).name}|{temperature}"
        self.temperature, self.device = temperature, device
        self.processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
        self.model: Any = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype, local_files_only=True)
        self.model.to(device).eval()

    @torch.inference_mode()
    def votes(self, sample: Sample, turn: Turn, times: int) -> list[bool | None]:
        """Ask `times` times, sampling with the time as seed."""
        image = sample.images[-1].load()
        return [self._vote(image, turn, time) for time in range(times)]

    def _vote(self, image: Any, turn: Turn, time: int) -> bool | None:
        text = f"USER: <image>\n{JUDGE_PROMPT}\n\n{question(turn, time)} ASSISTANT:"
        inputs = self.processor(images=image, text=text, return_tensors="pt").to(self.device, self.model.dtype)
        with torch.random.fork_rng():
            torch.manual_seed(time)
            new = self.model.generate(**inputs, do_sample=True, temperature=self.temperature, max_new_tokens=16)
        reply = self.processor.batch_decode(new[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]
        return read_vote(reply)


class ServerJudge:
    """Shows the server the image and asks for yes or no."""

    name = "server"

    def __init__(self, server: ChatServer) -> None:
        self.server, self.key = server, server.key

    def votes(self, sample: Sample, turn: Turn, times: int) -> list[bool | None]:
        """Ask `times` times, each with its seed."""
        image = sample.images[-1].load()
        return [read_vote(self.server(JUDGE_PROMPT, question(turn, time), image, seed=time)) for time in range(times)]
