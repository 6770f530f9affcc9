"""The large run: what `assess.py` does with a dataset of so many samples, without images and models.

Statistics go to Parquet in parts and are read again, and the indicators are computed from them. Embeddings are given:
the time they take to look up is left out.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from measuring import Spent, spent
from synthetic_dataset import GivenEmbeddings, synthetic_samples
from vlit.quality.indicators.tasks import NearestTags, NearestTask, balanced_ids

from vlit.quality.assess import Assessment
from vlit.quality.indicators.granularity import Objects
from vlit.quality.indicators.instruction_complexity import RuleComplexity
from vlit.quality.indicators.instruction_diversity import InstructionDiversity
from vlit.quality.indicators.response_diversity import ResponseDiversity, ResponseEmbedding
from vlit.quality.parsers import SpacyParser
from vlit.quality.statistics import StatisticsStore


class Clock:
    """Something called, and the time it has taken so far."""

    def __init__(self, task: Any, key: str = "") -> None:
        self.task, self.key, self.spent = task, key, Spent(0.0, 0.0)

    def __call__(self, *given: Any) -> Any:
        """The task's result."""
        more, found = spent(lambda: self.task(*given))
        self.spent = Spent(self.spent.wall + more.wall, self.spent.cpu + more.cpu)
        return found

    of = __call__


def large_run(number: int, dims: int, workers: int) -> dict[str, Any]:
    """Seconds by step, and the indicators."""
    samples = synthetic_samples(number)
    steps: dict[str, Spent] = {}
    encode = Clock(GivenEmbeddings(dims), "given")
    clusters, distances = Clock(InstructionDiversity().of), Clock(ResponseDiversity().of)
    made = Assessment(
        {}, lambda: encode, NearestTags, NearestTask, instruction_diversity=clusters, response_diversity=distances
    )  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        took, store = spent(lambda: StatisticsStore.of(Path(folder), "synthetic", samples))
        steps["fingerprint of the dataset"] = took

        def computed(name: str, make: Any) -> Any:
            def compute() -> Any:
                measure = make()
                store.compute(measure, samples)
                if name == "OG":
                    measure.parser.close()
                return store.read(measure, samples)

            before = encode.spent
            took, table = spent(compute)
            looked_up = Spent(encode.spent.wall - before.wall, encode.spent.cpu - before.cpu)
            steps[f"{name}: statistic"] = Spent(took.wall - looked_up.wall, took.cpu - looked_up.cpu)
            print(f"{number} {name}: {steps[f'{name}: statistic']}", flush=True)
            return table

        tables = {
            "OG": computed("OG", lambda: Objects(SpacyParser(workers=workers))),
            "I_cx_rule": computed("I_cx_rule", RuleComplexity),
            "R": computed("R", lambda: ResponseEmbedding(encode)),
        }
        tags = computed("tags", lambda: NearestTags(encode))
        steps["tag system"], system = spent(lambda: made.system(tags))
        tables["T"] = computed("T", lambda: NearestTask(encode, system))
        took, found = spent(lambda: made.indicators(tables, samples))
    steps["I_div: clusters"], steps["R: DBSCAN"] = clusters.spent, distances.spent
    inner = [clusters.spent, distances.spent]
    steps["other indicators"] = Spent(
        took.wall - sum(one.wall for one in inner), took.cpu - sum(one.cpu for one in inner)
    )
    tasks = dict(zip(tables["T"]["sample_id"].to_pylist(), tables["T"]["task"].to_pylist(), strict=True))
    steps["balanced sampling"], _ = spent(lambda: balanced_ids(tasks, number // 2, 0))
    return {
        "instructions": sum(len(sample.turns) for sample in samples),
        "words": sum(len(f"{turn.instruction} {turn.response}".split()) for one in samples for turn in one.turns),
        "steps": {name: asdict(one) for name, one in steps.items()},
        "wall": sum(one.wall for one in steps.values()),
        "cpu": sum(one.cpu for one in steps.values()),
        "embeddings_looked_up": asdict(encode.spent),
        "indicators": {key: value for key, value in found["indicators"].items() if value is not None},
    }
