from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DIMENSIONS = ("SU", "IA", "VR")
QUESTIONS = 12


@pytest.fixture(scope="session")
def published_folder() -> Path:
    return REPOSITORY / "paper"


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a finished run with generated answers and the accuracies that follow from them."""

    def make(model: str, data: str, seed: int = 0, **changes: object) -> Path:
        folder = tmp_path / "runs" / "mini" / model / data / f"seed{seed}"
        folder.mkdir(parents=True)
        skill = {"llava": 0.3, "mimic_it": 0.35, "ours": 0.5, "ours_qc": 0.6}[data]
        rng = random.Random(f"{model}{data}{seed}")
        rows = []
        for dimension in DIMENSIONS:
            for number in range(QUESTIONS):
                right = rng.random() < skill
                rows.append(
                    {
                        "question_id": f"{dimension}{number}",
                        "dimension": dimension,
                        "prediction": "A" if right else "B",
                        "answer": "A",
                    }
                )
        (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        accuracy = {
            d: 100 * sum(r["prediction"] == "A" for r in rows if r["dimension"] == d) / QUESTIONS for d in DIMENSIONS
        }
        accuracy["Overall"] = sum(accuracy.values()) / len(DIMENSIONS)
        counts = {**dict.fromkeys(DIMENSIONS, QUESTIONS), "Overall": QUESTIONS * len(DIMENSIONS)}
        result = {
            "model": model,
            "data": data,
            "scale": "mini",
            "seed": seed,
            "scoring": "ranking/mean",
            "benchmark": "mini",
        }
        result |= {"accuracy": accuracy, "counts": counts, "interval95": {}, "commit": "none"}
        (folder / "result.json").write_text(json.dumps(result | changes))
        return folder

    return make


@pytest.fixture
def make_quality(tmp_path: Path) -> Callable[..., Path]:
    def make(data: str, **indicators: float | None) -> Path:
        folder = tmp_path / "quality" / data
        folder.mkdir(parents=True)
        path = folder / "quality.json"
        path.write_text(json.dumps({"data": data, "scale": "mini", "indicators": indicators}))
        return path

    return make
