"""The published files under their published names, two pictures each, read as `scale=paper` is configured."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import instantiate

from vlit.common.needed import missing_files
from vlit.construct.sources.read import read_annotations
from vlit.data.sample import Rejects
from vlit.evaluation.questions import read_questions

IDS = (9, 25)
COCO_2014 = [f"COCO_train2014_{number:012d}.jpg" for number in IDS]
COCO_2017 = [f"{number:012d}.jpg" for number in IDS]


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def llava(names: list[str]) -> list[dict[str, Any]]:
    turns = [{"from": "human", "value": "What is it?\n<image>"}, {"from": "gpt", "value": "A dog."}]
    return [{"id": name[-16:-4], "image": name, "conversations": turns} for name in names]


def arc(kind: str, images: list[Any]) -> dict[str, Any]:
    pairs = [{"User": "What is it?", "AI": "A dog."}]
    rows = [{"img_ids": [image], "instruction_type": kind, "conversations": pairs} for image in images]
    return {"image_source": "COCO2014", "construction_time": "2023", "annotations": rows}


def question(number: int, kind: str) -> dict[str, Any]:
    choices = {f"choice_{letter}": word for letter, word in zip("abcd", ("one", "two", "three", "four"), strict=True)}
    return {
        **choices, "answer": "A", "data_id": f"{number}_1", "data_type": kind, "question": "How many?",
        "question_id": str(number), "question_type_id": 5, "segment": [],
    }  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """A `datasets` folder as downloaded: COCO 2014 images, LLaVA's file with the names of COCO 2017."""
    root = tmp_path / "datasets"
    pictures = root / "coco" / "train2014"
    pictures.mkdir(parents=True)
    for number, name in enumerate(COCO_2014):
        (pictures / name).write_bytes(png((number, 0, 0)))
    write(root / "llava" / "llava_instruct_150k.json", llava(COCO_2017))
    instructions = {
        f"DC_INS_{number:06d}": {
            "instruction": "What is it?", "answer": "A dog.", "image_ids": [f"DC_IMG_{number}"], "rel_ins_ids": [],
        }
        for number in range(2)
    }  # fmt: skip
    write(root / "mimic_it" / "DC_instructions.json", {"meta": {"version": "0.0.1"}, "data": instructions})
    write(root / "mimic_it" / "DC_train.json", {"DC_INS_000000": ["DC_INS_000001"], "DC_INS_000001": []})
    encoded = {f"DC_IMG_{number}": base64.urlsafe_b64encode(png((0, number, 0))).decode() for number in range(2)}
    write(root / "mimic_it" / "DC.json", encoded)
    marked = [f"COCO_train2014_{number:012d}_7.jpg" for number in IDS]
    write(root / "ours" / "global.json", arc("global", list(IDS)))
    write(root / "ours" / "negative.json", arc("negative", list(IDS)))
    write(root / "ours" / "region.json", arc("region", marked))
    with zipfile.ZipFile(root / "ours" / "region_images.zip", "w") as archive:
        for name in marked:
            archive.writestr(f"region_images/{name}", png())
    table = {"Instances Counting": 5}
    questions = [question(1, "image"), question(2, "image"), {**question(3, "video"), "question_type_id": 10}]
    write(root / "seed_bench" / "SEED-Bench.json", {"questions": questions, "question_type": table})
    (root / "seed_bench" / "SEED-Bench-image").mkdir()
    for number in (1, 2):
        (root / "seed_bench" / "SEED-Bench-image" / f"{number}_1").write_bytes(png((0, 0, number)))
    return root


@pytest.mark.parametrize(("data", "samples"), [("llava", 2), ("mimic_it", 2), ("ours", 6), ("ours_qc", 6)])
def test_every_dataset_is_read_whole(compose, tree: Path, data: str, samples: int) -> None:
    cfg = compose("scale=paper", f"data={data}", f"paths.data={tree}", tiny=False)
    rejects = Rejects()
    read = instantiate(cfg.data).load(rejects)
    assert len(read) == samples and rejects.counts() == {}
    assert all(sample.images and [image.load() for image in sample.images] for sample in read)
    assert all(path.is_relative_to(cfg.paths.weights) for path, _ in missing_files(cfg))


def test_the_benchmark_is_read_whole(compose, tree: Path) -> None:
    cfg = compose("scale=paper", f"paths.data={tree}", tiny=False)
    rejects = Rejects()
    questions = read_questions(Path(cfg.benchmark.annotations), Path(cfg.benchmark.images), rejects)
    assert [one.id for one in questions] == ["1", "2"] and all(one.image.exists() for one in questions)


@pytest.mark.parametrize("folder", [COCO_2014, COCO_2017], ids=["2014", "2017"])
@pytest.mark.parametrize("file", [COCO_2014, COCO_2017, [f"train2017/{name}" for name in COCO_2017]])
def test_either_name_of_a_picture_finds_the_other(compose, tree: Path, png, folder: list[str], file: list[str]) -> None:
    pictures = tree / "coco" / "mine" / ("train2017" if "/" in file[0] else "")
    pictures.mkdir(parents=True)
    for name in folder:
        (pictures / name).write_bytes(png())
    write(tree / "llava" / "llava_instruct_150k.json", llava(file))
    cfg = compose("scale=paper", "data=llava", f"paths.data={tree}", f"data.images={tree / 'coco/mine'}", tiny=False)
    assert len(instantiate(cfg.data).load(Rejects())) == 2


def test_construction_reads_cocos_annotations_under_their_names(compose, tree: Path) -> None:
    coco = tree / "coco"
    images = [
        {"id": number, "file_name": name, "width": 640, "height": 480}
        for number, name in zip(IDS, COCO_2014, strict=True)
    ]
    captions = [{"image_id": number, "id": number, "caption": "A dog on grass."} for number in IDS]
    boxes = [
        {"image_id": number, "id": number, "category_id": 18, "bbox": [1, 2, 30, 40], "iscrowd": 0} for number in IDS
    ]
    dog = [{"id": 18, "name": "dog", "supercategory": "animal"}]
    write(coco / "annotations" / "captions_train2014.json", {"images": images, "annotations": captions})
    write(coco / "annotations" / "instances_train2014.json",
          {"images": images, "annotations": boxes, "categories": dog})  # fmt: skip
    write(coco / "cocotext.v2.json", {"imgs": {}, "anns": {}, "imgToAnns": {}, "cats": {}, "info": {}})
    asked = [{"image_id": number, "question_id": number, "question": "What is it?"} for number in IDS]
    answered = [
        {"image_id": number, "question_id": number, "multiple_choice_answer": "dog", "answers": []} for number in IDS
    ]
    write(coco / "v2_OpenEnded_mscoco_train2014_questions.json", {"questions": asked})
    write(coco / "v2_mscoco_train2014_annotations.json", {"annotations": answered})
    cfg = compose(f"source.annotations={coco}", "source.read=[caption,object,ocr,vqa]", config="construct", tiny=False)
    rejects = Rejects()
    read = read_annotations(cfg.source.annotations, cfg.source.read, rejects)
    assert [one.image_id for one in read] == list(IDS) and rejects.counts() == {}
    assert all(one.captions and one.objects and one.qa for one in read)


def test_what_is_missing_is_said_at_once_and_without_torch(tmp_path: Path) -> None:
    import subprocess
    import sys
    import time

    from tests.conftest import ROOT

    code = (
        "import sys, runpy\n"
        f"sys.argv = ['train.py', 'scale=paper', 'model=llava', 'data=llava', 'paths.data={tmp_path}']\n"
        "try:\n    runpy.run_path('train.py', run_name='__main__')\n"
        "except SystemExit as stop:\n    print(stop.code)\n"
        "print('torch' in sys.modules)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    line, loaded = done.stdout.splitlines()[-2:]
    assert loaded == "False" and time.monotonic() - start < 20
    assert line.startswith("error: 11 files are missing: ")
    for name, source in (
        ("clip-vit-large-patch14", "openai/clip-vit-large-patch14"),
        ("vicuna-7b-v1.1", "lmsys/vicuna-7b-v1.1"),
        ("llava_instruct_150k.json", "liuhaotian/LLaVA-Instruct-150K"),
        ("DC_instructions.json", "pufanyi/MIMICIT"),
        ("SEED-Bench.json", "AILab-CVC/SEED-Bench"),
        ("train2014", "vlit.construct.fetch"),
    ):
        assert name in line and source in line
