"""Object/granularity complexity (O/G): the elements of an instruction by its dependency parse (4.2.3, Table 4).

The paper fixes semantic dependency analysis (HanLP) and the number of elements, which Table 4 calls objects and prints
as 1.9 to 2.5. It leaves open which elements count. Here an element is a noun that is no part of a compound ("fire
hydrant" is one element) and that is not the request's own word for the picture ("image", "photo"). An instruction's
number is that of its elements; a sample's is the mean over its instructions. Who finds the nouns is a choice: HanLP's
semantic dependency parse as in the paper (`hanlp_parser`), or spaCy's dependency parse (`spacy_parser`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.sentence_encoder import instructions
from vlit.quality.statistics import MeasureFault

PICTURE_WORDS = frozenset({"image", "photo", "picture", "photograph", "scene"})
LONGEST = 5000  # characters parsed of an instruction


class Parser(Protocol):
    """Finds the elements of texts. `key` names the model and everything that changes what is found."""

    key: str

    def __call__(self, texts: Sequence[str]) -> list[list[str]]:
        """The elements of each text, in lower case, a list a text."""


class Objects:
    """The statistic."""

    name = "objects"
    schema = pa.schema([("objects", pa.float32()), ("elements", pa.list_(pa.string()))])

    def __init__(self, parser: Parser) -> None:
        self.parser, self.key = parser, parser.key

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Parse each distinct instruction once."""
        texts = sorted({text[:LONGEST] for sample in samples for text in instructions(sample)})
        found = dict(zip(texts, self.parser(texts), strict=True))
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            parsed = [found[text[:LONGEST]] for text in instructions(sample)]
            elements = [[word for word in some if word not in PICTURE_WORDS] for some in parsed]
            number = sum(map(len, elements)) / len(elements)
            rows.append({"objects": number, "elements": [word for some in elements for word in some]})
        return rows
