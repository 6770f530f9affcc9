"""Read the annotation sources of COCO 2014 images and merges them per image (paper section 4.2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from vlit.common.content import read_document
from vlit.common.errors import InputError
from vlit.construct.sources import attributes, coco
from vlit.construct.sources.image import AnnotatedObject, ImageAnnotations, Word, clipped
from vlit.data.sample import Rejects

Content = TypeVar("Content")
Marked = TypeVar("Marked", AnnotatedObject, Word)

SOURCES: tuple[str, ...] = ("caption", "object", "attribute", "ocr", "vqa")  # the paper's five
EXTRA: tuple[str, ...] = ("visual_genome",)
SOURCE_FILES: dict[str, tuple[str, ...]] = {
    "caption": ("annotations/captions_train2014.json",),
    "object": ("annotations/instances_train2014.json",),
    "attribute": ("cocottributes.json",),
    "ocr": ("COCO_Text.json",),
    "vqa": ("v2_OpenEnded_mscoco_train2014_questions.json", "v2_mscoco_train2014_annotations.json"),
    "visual_genome": ("image_data.json", "attributes.json"),
}
ALSO_PUBLISHED_AS = {
    "cocottributes.json": ("cocottributes.jbl", "cocottributes_eccv_version.jbl"),
    "COCO_Text.json": ("cocotext.v2.json",),
}


def read_annotations(
    folder: str | Path, sources: Sequence[str] = SOURCES, rejects: Rejects | None = None
) -> list[ImageAnnotations]:
    """Read and merge annotation sources, in the order of image ids.

    A source need not annotate every image; images without any caption or box are left out. Boxes of crowds are left
    out, as they give no count.

    Args:
        folder: folder of the files in `SOURCE_FILES`, under these names or those they are `ALSO_PUBLISHED_AS`.
        sources: names from `SOURCES` and `EXTRA`. The files of the others need not exist; "attribute" and
            "visual_genome" need "object".
        rejects: receives annotations that cannot be used, by image id: null captions, unknown categories, boxes outside
            their image, questions without an answer.

    Raises:
        InputError: if a source is unknown, or a file of a chosen source is absent, or nothing in it can be used.
    """
    rejects = Rejects() if rejects is None else rejects
    folder = Path(folder)
    _check(sources)
    check_files(folder, sources)
    images: dict[int, dict[str, Any]] = {}
    captions: dict[int, list[str]] = {}
    objects: dict[int, list[AnnotatedObject]] = {}
    words: dict[int, list[Word]] = {}
    qa: dict[int, list[tuple[str, str]]] = {}
    if "caption" in sources:
        listed, captions = _read(
            "caption",
            folder,
            lambda content: (coco.listed_images(content, rejects), coco.captions_by_image(content, rejects)),
        )
        images |= listed
    if "object" in sources:
        by_instance = (
            _read("attribute", folder, partial(attributes.attributes_by_instance, rejects=rejects))
            if "attribute" in sources
            else {}
        )
        listed, objects = _read(
            "object",
            folder,
            lambda content: (
                coco.listed_images(content, rejects),
                coco.objects_by_image(content, by_instance, rejects),
            ),
        )
        images |= listed
    if "visual_genome" in sources:
        _add_attributes(
            objects, images, _read("visual_genome", folder, partial(attributes.boxes_by_image, rejects=rejects))
        )
    if "ocr" in sources:
        words = _read("ocr", folder, partial(coco.words_by_image, rejects=rejects))
    if "vqa" in sources:
        qa = _read("vqa", folder, partial(coco.questions_by_image, rejects=rejects))
    described = [image_id for image_id in sorted(images) if captions.get(image_id) or objects.get(image_id)]
    described_ids = set(described)
    for image_id in sorted(set(images) - described_ids):
        rejects.add(str(image_id), "no caption and no box", images[image_id]["file_name"])
    rejects.close("images of all sources", len(images), len(described))
    made = [
        ImageAnnotations(
            image_id,
            images[image_id]["file_name"],
            images[image_id]["width"],
            images[image_id]["height"],
            tuple(captions.get(image_id, ())),
            tuple(_inside(objects.get(image_id, ()), image_id, images[image_id], rejects)),
            tuple(_inside(words.get(image_id, ()), image_id, images[image_id], rejects)),
            tuple(qa.get(image_id, ())),
        )
        for image_id in described
    ]
    found = [
        (image_id, len(some)) for by_image in (captions, objects, words, qa) for image_id, some in by_image.items()
    ]
    kept = sum(len(one.captions) + len(one.objects) + len(one.words) + len(one.qa) for one in made)
    elsewhere = sum(number for image_id, number in found if image_id not in described_ids)
    rejects.close("annotations of all sources", sum(number for _, number in found), kept, noted=elsewhere)
    return made


def _inside(marked: Sequence[Marked], image_id: int, image: Mapping[str, Any], rejects: Rejects) -> Iterator[Marked]:
    """Yield what has a box, clipped to its image; a box outside is rejected before anything is paid for it."""
    for one in marked:
        box = clipped(one.box, image["width"], image["height"])
        if box is None:
            detail = f"{one.box} of {one.id} in {image['width']} x {image['height']}"
            rejects.add(str(image_id), "box outside the image", detail, field="bbox")
        elif box == one.box:
            yield one
        else:
            rejects.add_part(str(image_id), "box clipped to the image", f"{one.box} of {one.id}", field="bbox")
            yield replace(one, box=box)


def _check(sources: Sequence[str]) -> None:
    unknown = set(sources) - {*SOURCES, *EXTRA}
    if unknown or not {"caption", "object"} & set(sources):
        known = ", ".join(SOURCES + EXTRA)
        raise InputError(f"sources {list(sources)}: choose from {known}, caption or object among them")
    for source in ("attribute", "visual_genome"):
        if source in sources and "object" not in sources:
            raise InputError(f"source {source} describes the boxes of source object: add object to the sources")


def _read(source: str, folder: Path, parse: Callable[..., Content]) -> Content:
    """Read a source's files and parse their contents; content in another format is an `InputError`."""
    paths = [_found(folder, name) for name in SOURCE_FILES[source]]
    with _as_published(source, paths):
        return parse(*(_content(path, source) for path in paths))


def check_files(folder: Path, sources: Sequence[str], images: Path | None = None) -> None:
    """Refuse sources whose files, or whose folder of images, are absent: all in one line."""
    paths = {source: [_found(folder, name) for name in SOURCE_FILES[source]] for source in sources}
    absent = {source: [path for path in some if not path.exists()] for source, some in paths.items()}
    missing = [f"{path} ({source})" for source, some in absent.items() for path in some]
    missing += [f"{images} (images)"] if images is not None and not images.is_dir() else []
    if missing:
        files = "1 file is" if len(missing) == 1 else f"{len(missing)} files are"
        without = ", ".join(source for source, some in absent.items() if some)
        leave = f", or leave {without} out of source.read" if without else ""
        raise InputError(f"{files} missing: {'; '.join(missing)}: `python -m vlit.construct.fetch` gets them{leave}")


def _found(folder: Path, name: str) -> Path:
    names = (name, *ALSO_PUBLISHED_AS.get(name, ()))
    return next((folder / other for other in names if (folder / other).is_file()), folder / name)


def _content(path: Path, source: str) -> Any:
    if path.suffix == ".jbl":
        return attributes.read_joblib(path)
    return read_document(
        path, f"get it with `python -m vlit.construct.fetch`, or leave {source} out of the sources"
    ).value


@contextmanager
def _as_published(source: str, paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ZeroDivisionError) as error:
        names = " and ".join(str(path) for path in paths)
        fault = f"{type(error).__name__}: {error}"
        raise InputError(f"{names} not in the published format of source {source} ({fault}): get them again") from None


def _add_attributes(
    objects: dict[int, list[AnnotatedObject]],
    images: dict[int, dict[str, Any]],
    boxes: dict[int, list[attributes.AttributedBox]],
) -> None:
    for image_id in objects.keys() & boxes.keys():
        width, height = images[image_id]["width"], images[image_id]["height"]
        objects[image_id] = attributes.with_attributes(objects[image_id], boxes[image_id], width, height)
