"""The large run: what `assess.py` does with a dataset of many samples, without images and models.

Statistics go to Parquet in parts and are read again, and the indicators are computed from them. Embeddings are
precomputed: the time they take to look up is left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from measuring import Spent, spent
from numpy.typing import NDArray
from synthetic_dataset import GivenEmbeddings, synthetic_samples

from vlit.quality.assess import Assessment
from vlit.quality.indicators.balance import balanced_ids
from vlit.quality.indicators.registry import BY_KEY
from vlit.quality.instruments import Instruments
from vlit.quality.parsers import SpacyParser
from vlit.quality.statistics import Measure, StatisticsStore
from vlit.quality.tags import proposals

ALGORITHMS = {"I_div": "clusters", "R": "DBSCAN"}  # indicators whose values cost more than a mean


class Timed:
    """An encoder, and the time it has taken so far."""

    def __init__(self, encode: GivenEmbeddings) -> None:
        self.encode, self.key, self.spent = encode, encode.key, Spent(0.0, 0.0)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode texts."""
        more, found = spent(lambda: self.encode(texts))
        self.spent = Spent(self.spent.wall + more.wall, self.spent.cpu + more.cpu)
        return found


def large_run(number: int, dims: int, workers: int) -> dict[str, Any]:
    """Measure the steps of an assessment.

    Args:
        number: samples.
        dims: width of the embeddings.
        workers: processes that parse.

    Returns:
        Seconds by step, the indicators, and the size of the dataset.
    """
    samples = synthetic_samples(number)
    steps: dict[str, Spent] = {}
    encode, parser = Timed(GivenEmbeddings(dims)), SpacyParser(workers=workers)
    made = Assessment(Instruments(encoder=lambda: encode, parser=lambda: parser))
    with tempfile.TemporaryDirectory() as folder:
        steps["fingerprint of the dataset"], store = spent(
            lambda: StatisticsStore.of(Path(folder), "synthetic", samples)
        )

        def computed(name: str, make: Callable[[Instruments], Measure]) -> pa.Table:
            def compute() -> pa.Table:
                measure = make(made.instruments)
                store.compute(measure, samples)
                return store.read(measure, samples)

            before = encode.spent
            took, table = spent(compute)
            looked_up = Spent(encode.spent.wall - before.wall, encode.spent.cpu - before.cpu)
            steps[f"{name}: statistic"] = Spent(took.wall - looked_up.wall, took.cpu - looked_up.cpu)
            print(f"{number} {name}: {steps[f'{name}: statistic']}", flush=True)
            return table

        tables = {key: computed(key, BY_KEY[key].statistic) for key in ("OG", "I_cx_rule", "R")}  # type: ignore[arg-type]
        parser.close()
        tags = computed("tags", proposals)
        steps["tag system"], system = spent(lambda: made.tag_system(tags))
        made.instruments = replace(made.instruments, tags=lambda: system)
        tables["T"] = computed("T", BY_KEY["T"].statistic)  # type: ignore[arg-type]
        indicators, others = {}, Spent(0.0, 0.0)
        for key, indicator in BY_KEY.items():
            if indicator.source in tables:
                table = tables[indicator.source]
                took, value = spent(partial(indicator.value, table, samples, made.instruments))
                indicators[key] = value.number
                if key in ALGORITHMS:
                    steps[f"{key}: {ALGORITHMS[key]}"] = took
                else:
                    others = Spent(others.wall + took.wall, others.cpu + took.cpu)
        steps["other indicators"] = others
    tasks = dict(zip(tables["T"]["sample_id"].to_pylist(), tables["T"]["task"].to_pylist(), strict=True))
    steps["balanced sampling"], _ = spent(lambda: balanced_ids(tasks, number // 2, 0))
    return {
        "instructions": sum(len(sample.turns) for sample in samples),
        "words": sum(len(f"{turn.instruction} {turn.response}".split()) for one in samples for turn in one.turns),
        "steps": {name: asdict(one) for name, one in steps.items()},
        "wall": sum(one.wall for one in steps.values()),
        "cpu": sum(one.cpu for one in steps.values()),
        "embeddings_looked_up": asdict(encode.spent),
        "indicators": indicators,
    }
