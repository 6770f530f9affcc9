"""Sources in their other published shapes: Visual Genome, COCO-Text 2, and COCO Attributes as its pickle."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib.numpy_pickle_compat import write_zfile

from vlit.common.errors import InputError
from vlit.construct.sources.read import read_annotations


def as_arrays(coco: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((coco / "cocottributes.json").read_text())
    content["ann_vecs"] = {key: np.array(vector, float) for key, vector in content["ann_vecs"].items()}
    return content


def write_as(path: Path, content: Any, old: bool) -> None:
    if old:
        with path.open("wb") as file:
            write_zfile(file, pickle.dumps(content, protocol=2))
    else:
        joblib.dump(content, path, compress=3)


@pytest.mark.parametrize("old", [True, False], ids=["joblib before 0.10", "joblib now"])
def test_coco_attributes_are_read_from_the_published_pickle(world: Path, old: bool) -> None:
    coco = world / "coco"
    expected = read_annotations(coco)
    write_as(coco / "cocottributes_eccv_version.jbl", as_arrays(coco), old)
    (coco / "cocottributes.json").unlink()
    assert read_annotations(coco) == expected


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickle_that_names_code_is_refused_and_not_run(world: Path, tmp_path: Path, old: bool, wrapped: bool) -> None:
    coco = world / "coco"
    (coco / "cocottributes.json").unlink()
    harmful: Any = Harmful(tmp_path / "harm")
    write_as(coco / "cocottributes.jbl", np.array([harmful], object) if wrapped else {"attributes": harmful}, old)
    with pytest.raises(InputError, match="which is no array"):
        read_annotations(coco)
    assert not (tmp_path / "harm").exists()


def test_a_cut_off_pickle_is_one_clear_line(world: Path) -> None:
    coco = world / "coco"
    write_as(coco / "cocottributes.jbl", as_arrays(coco), old=True)
    whole = (coco / "cocottributes.jbl").read_bytes()
    (coco / "cocottributes.jbl").write_bytes(whole[: len(whole) // 2])
    (coco / "cocottributes.json").unlink()
    with pytest.raises(InputError, match="published format"):
        read_annotations(coco)


def test_coco_text_2_is_read(world: Path) -> None:
    coco = world / "coco"
    expected = read_annotations(coco)
    (coco / "COCO_Text.json").rename(coco / "cocotext.v2.json")
    assert read_annotations(coco) == expected


def test_visual_genome_attributes_are_laid_on_the_boxes_they_cover(world: Path) -> None:
    coco = world / "coco"
    (coco / "image_data.json").write_text(
        json.dumps(
            [
                {"image_id": 900, "coco_id": 3, "width": 128, "height": 128},
                {"image_id": 901, "coco_id": None, "width": 10, "height": 10},
            ]
        )
    )
    things = [
        {"object_id": 1, "names": ["cat"], "attributes": ["Black", "sleeping "], "x": 16, "y": 84, "w": 26, "h": 26},
        {"object_id": 2, "names": ["sky"], "attributes": ["dark"], "x": 0, "y": 0, "w": 128, "h": 20},
        {"object_id": 3, "names": ["car"], "x": 52, "y": 52, "w": 26, "h": 26},
    ]
    entries = [{"image_id": 900, "attributes": things}, {"image_id": 901, "attributes": things}]
    (coco / "attributes.json").write_text(json.dumps(entries))
    _, _, third, _ = read_annotations(coco, ("caption", "object", "visual_genome"))
    assert [(thing.kind, thing.attributes) for thing in third.objects] == [("cat", ("black", "sleeping")), ("car", ())]
    with pytest.raises(InputError, match="add object"):
        read_annotations(coco, ("caption", "visual_genome"))
