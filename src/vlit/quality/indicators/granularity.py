"""Object/granularity complexity (OG): the elements of an instruction by its dependency parse (4.2.3, Table 4).

The paper fixes semantic dependency analysis (HanLP) and the number of elements, which Table 4 calls objects and prints
as 1.9 to 2.5. It leaves open which elements count. Here an element is a noun that is no part of a compound ("fire
hydrant" is one element) and that is not the request's own word for the picture ("image", "photo"). An instruction's
number is that of its elements; a sample's is the mean over its instructions. What finds the nouns is a choice: HanLP's
semantic dependency parse as in the paper (`HanlpParser`), or spaCy's dependency parse (`SpacyParser`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from vlit.data.sample import Sample
from vlit.quality.indicators.registry import Indicator, mean_of
from vlit.quality.instruments import Parser
from vlit.quality.statistics import MeasureFault, instructions

PICTURE_WORDS = frozenset({"image", "photo", "picture", "photograph", "scene"})
PARSED_CHARACTERS = 5000  # of an instruction; the rest is cut off


class Elements:
    """The statistic of OG: elements an instruction (`number`, the mean over a sample's), and the elements."""

    name = "OG"
    schema = pa.schema([("number", pa.float32()), ("elements", pa.list_(pa.string()))])

    def __init__(self, parser: Parser) -> None:
        self.parser, self.key = parser, parser.key

    def rows(self, samples: Sequence[Sample]) -> list[dict[str, Any] | MeasureFault]:
        """Parse each distinct instruction once."""
        texts = sorted({text[:PARSED_CHARACTERS] for sample in samples for text in instructions(sample)})
        found = dict(zip(texts, self.parser(texts), strict=True))
        rows: list[dict[str, Any] | MeasureFault] = []
        for sample in samples:
            parsed = [found[text[:PARSED_CHARACTERS]] for text in instructions(sample)]
            elements = [[word for word in some if word not in PICTURE_WORDS] for some in parsed]
            number = sum(map(len, elements)) / len(elements)
            rows.append({"number": number, "elements": [word for some in elements for word in some]})
        return rows


OG = Indicator(
    key="OG",
    label="Object/granularity complexity",
    value=mean_of("number"),
    statistic=lambda instruments: Elements(instruments.parser()),
    needs=("parser",),
    distribution="number",
    symbol="O/G",
    row="OC",
    in_table_15=True,
)
