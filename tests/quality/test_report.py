"""The report page shows every part of an assessment, and names an image that can't be decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from vlit.data.images import FileImage
from vlit.data.sample import Sample, Turn
from vlit.quality.report import write_report


def test_the_page_has_indicators_distributions_maps_and_samples(tmp_path: Path) -> None:
    image, broken = tmp_path / "red.png", tmp_path / "cut.png"
    Image.new("RGB", (8, 8), "red").save(image)
    broken.write_bytes(b"no image")
    turns = (Turn("What is <this>?", "A red square."),)
    samples = [Sample("a", (FileImage(image),), turns), Sample("b", (FileImage(broken),), turns)]
    nothing = {"sample_id": ["a", "b"], "fault": [None, None]}
    tables = {
        "MD": pa.table({**nothing, "least": [20.0, 30.0]}),
        "T": pa.table({**nothing, "task": ["object recognition", "advice"]}),
        "R": pa.table(
            {**nothing, "tasks": [["color"], ["size"]], "embeddings": [[np.eye(2, 4)[0]], [np.eye(2, 4)[1]]]}
        ),
    }
    found = {
        "indicators": {"MD": 25.0, "C": None},
        "reasons": {"C": "no judge"},
        "details": {
            "faults": {"MD": {"unreadable image": 1}}, "tasks": {"object recognition": 1, "advice": 1},
            "lowest": {"worst": ["a"], "best": ["b"]},
        },
    }  # fmt: skip
    write_report(tmp_path / "report.html", "ours", found, tables, samples)
    page = (tmp_path / "report.html").read_text()
    assert "25.00" in page and "no judge" in page and "MD: 1 unreadable image" in page
    assert "Matching degree" in page and page.count("<svg") == 3, "a histogram, tasks, and a map"
    assert "object recognition" in page and "advice" in page
    assert "MD: least by sample" in page and "Instructions of each task" in page
    assert "First responses by task" in page and "color: 1" in page and "size: 1" in page
    assert page.count("data:image/png;base64,") == 1 and page.count("unreadable image") == 2, "a fault, a sample"
    assert "What is &lt;this&gt;?" in page and "<this>" not in page
