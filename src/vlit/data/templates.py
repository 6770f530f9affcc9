"""How a family writes a conversation: pieces of text, each either read or learned from (paper section 3.1, Eq. 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlit.common.errors import InputError
from vlit.data.checks import IMAGE_TAG
from vlit.data.sample import Sample, Turn


@dataclass(frozen=True)
class Piece:
    """A stretch of the prompt that is tokenised on its own. Joined, the pieces' texts are the prompt.

    `special` pieces are one control token each, and only they: the same characters in other pieces are plain text.
    """

    text: str
    supervised: bool = False
    special: bool = False


IMAGE = Piece(IMAGE_TAG, special=True)


@dataclass(frozen=True)
class Template:
    """A prompt format: `system` once, then each turn.

    A turn is `before_images`, (`<image>`, `after_image`) for each of its images, `before_question`, the question,
    `after_question`, `before_answer`, the answer, `end`; from `before_answer` on it is learned from. The space before
    an answer belongs to the answer, because tokenizers join a space to the word after it: so the answer has the same
    tokens in tuning and in the benchmark.
    """

    name: str
    before_question: str
    after_question: str
    end: str
    end_is_token: bool
    system: str = ""
    before_images: str = ""
    after_image: str = ""
    before_answer: str = ""

    def render(self, sample: Sample) -> list[Piece]:
        """Write a sample.

        Raises:
            InputError: if the turns don't account for all of the sample's images.
        """
        named = sum(turn.images for turn in sample.turns)
        if named != len(sample.images):
            raise InputError(f"sample {sample.id}: its turns show {named} images, it has {len(sample.images)}")
        return self._exchanges(sample.turns)

    def question_prompt(self, question: str, images: int = 1) -> list[Piece]:
        """Write a benchmark question up to where its answer begins; `answer` gives what comes next."""
        return self.next_prompt((), Turn(question.strip(), "", images))

    def next_prompt(self, before: Sequence[Turn], turn: Turn) -> list[Piece]:
        """Write the turns before with their responses, and a turn up to where its answer begins."""
        return [*self._exchanges(before), *self._question(turn, first=not before)]

    def _exchanges(self, turns: Sequence[Turn]) -> list[Piece]:
        """Pieces of turns with their responses, from the beginning of a conversation."""
        pieces: list[Piece] = []
        for number, turn in enumerate(turns):
            pieces += [*self._question(turn, first=number == 0), *self.answer(turn.response, turn.supervised)]
        return pieces

    def answer(self, text: str, supervised: bool = True) -> list[Piece]:
        """Write an answer, or a choice to be scored, with its end."""
        body = self.before_answer + text.strip()
        if self.end_is_token:
            return [Piece(body, supervised), Piece(self.end, supervised, special=True)]
        return [Piece(body + self.end, supervised)]

    def _question(self, turn: Turn, first: bool) -> list[Piece]:
        """Pieces before the answer; text not parted by an image is one piece."""
        pieces = []
        text = (self.system if first else "") + self.before_images
        for _ in range(turn.images):
            if text:
                pieces.append(Piece(text))
            pieces.append(IMAGE)
            text = self.after_image
        pieces.append(Piece(text + self.before_question + turn.instruction + self.after_question))
        return pieces


# LLaVA's conversation "v1" (haotian-liu/LLaVA, llava/conversation.py: USER and ASSISTANT, separators " " and "</s>").
VICUNA_V1 = Template(
    name="vicuna_v1",
    system=(
        "A chat between a curious user and an artificial intelligence assistant. "
        "The assistant gives helpful, detailed, and polite answers to the user's questions. "
    ),
    before_images="USER: ",
    after_image="\n",
    before_question="",
    after_question=" ASSISTANT:",
    before_answer=" ",
    end="</s>",
    end_is_token=True,
)

# The prompt of SEED-Bench's interfaces; OPT's answers end in a line break, at which LAVIS stops generating.
BLIP2 = Template(
    name="blip2",
    before_question="Question: ",
    after_question="\nAnswer:",
    before_answer=" ",
    end="\n",
    end_is_token=False,
)

# Otter's format for MIMIC-IT. `<answer>` is plain text: Otter adds such a token, OpenFlamingo's tokenizer has none and
# its embeddings are frozen (Table 8).
FLAMINGO = Template(
    name="flamingo",
    before_question="User:",
    after_question=" GPT:<answer>",
    end="<|endofchunk|>",
    end_is_token=True,
)

# OpenFlamingo's own prompt for visual question answering (mlfoundations/open_flamingo, eval).
OPENFLAMINGO_VQA = Template(
    name="openflamingo_vqa",
    before_question="Question:",
    after_question=" Short answer:",
    end="<|endofchunk|>",
    end_is_token=True,
)

TEMPLATES = {template.name: template for template in (VICUNA_V1, BLIP2, FLAMINGO, OPENFLAMINGO_VQA)}
