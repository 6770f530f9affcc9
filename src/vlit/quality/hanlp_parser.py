"""Elements of an instruction by HanLP's semantic dependency parse: the paper's tool (4.2.3, its footnote 5).

HanLP's multi-task models tokenise, tag and parse. Its `sdp` tasks give every token any number of (head, relation); for
English they come in three formalisms of SemEval-2015's task 18, of which DM says what is a compound: in "fire hydrant",
"fire" depends on "hydrant" by `compound`. An element is a noun that plays a role in the graph (it has a head, or is the
head of something) and is no part of a compound. Which nouns the paper counted is not said.

HanLP isn't installed with this project and its models (https://file.hankcs.com) are some hundred megabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlit.errors import InputError

NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS", "NOUN", "PROPN"})  # of the Penn Treebank and of Universal Dependencies
MODEL = "UD_ONTONOTES_TOK_POS_LEM_FEA_NER_SRL_DEP_SDP_CON_XLMR_BASE"  # of hanlp.pretrained.mtl; reads English
COMPOUND = "compound"


class HanlpParser:
    """Finds nouns with a semantic role.

    Args:
        folder: an unpacked multi-task model (`config.json`, `vocabs.json`, `model.pt`), or a name of
            `hanlp.pretrained.mtl`, which HanLP downloads.
        formalism: the name of the parsing task, or how it begins.
        device: a GPU's number, or -1 for the CPU.
        batch_size: texts at once.

    Raises:
        InputError: if HanLP or the model is absent, or the model has no such task.
    """

    def __init__(self, folder: str, formalism: str = "sdp/dm", device: int = -1, batch_size: int = 64) -> None:
        if find_spec("hanlp") is None:
            raise InputError("no HanLP: pip install hanlp, or parser=spacy")
        import vlit.compat  # noqa: F401  (before HanLP has transformers look for torchvision)

        # isort: split
        import hanlp

        known = {name for name in dir(hanlp.pretrained.mtl) if name.isupper()}
        if folder not in known and not (Path(folder) / "config.json").is_file():
            raise InputError(
                f"no HanLP model at {folder}: unpack one with English sdp there, such as {MODEL} "
                f"({getattr(hanlp.pretrained.mtl, MODEL)}), give its name as parser.folder=, or take parser=spacy"
            )
        self.model: Any = hanlp.load(getattr(hanlp.pretrained.mtl, folder, folder), devices=device)
        self.sdp = self._task(formalism, folder)
        self.pos = self._task(("pos", "ud"), folder)
        self.batch_size = batch_size
        self.key = f"hanlp|{Path(folder).name}|{self.sdp}"

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """The elements of each text, in lower case."""
        found: list[list[str]] = []
        for start in range(0, len(texts), self.batch_size):
            document = self.model(list(texts[start : start + self.batch_size]), tasks=[self.pos, self.sdp])
            tokens, tags = _field(document, "tok"), _field(document, "pos")
            found += map(elements, tokens, tags, document[self.sdp])
        return found

    def _task(self, beginning: str | tuple[str, ...], folder: str) -> str:
        names = [name for name in self.model.tasks if name.startswith(beginning)]
        if not names:
            raise InputError(f"the HanLP model {folder} has no task {beginning}: it has {', '.join(self.model.tasks)}")
        return min(names)


def elements(tokens: Sequence[str], tags: Sequence[str], graph: Sequence[Sequence[tuple[int, str]]]) -> list[str]:
    """Nouns that play a role and are no part of a compound.

    Args:
        tokens: of one text.
        tags: their parts of speech.
        graph: their (head, relation) pairs; a head is a token counted from 1, or 0 for the root.
    """
    heads = {head for edges in graph for head, _ in edges}
    return [
        token.lower()
        for place, (token, tag, edges) in enumerate(zip(tokens, tags, graph, strict=True), start=1)
        if tag in NOUNS and (edges or place in heads) and COMPOUND not in {relation for _, relation in edges}
    ]


def _field(document: Any, beginning: str) -> Any:
    return document[next(name for name in document if name.startswith(beginning))]
