"""A page of conversations beside their images, as in the paper's Tables 9-14: one HTML file that needs no other."""

from __future__ import annotations

import base64
import html
import io
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random

from PIL import Image

from vlit.common.files import write_text
from vlit.construct.judge import Accepted
from vlit.construct.prompts import FILES
from vlit.construct.region_images import draw_region

WIDEST = 320  # pixels of an image on the page
STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
article { display: grid; grid-template-columns: 320px 1fr; gap: 1.5em; border-top: 1px solid #ccc; padding: 1.2em 0 }
img { width: 100%; image-rendering: auto } dt { font-weight: bold; margin-top: .6em } dd { margin: 0 }
details { margin-top: 1em; color: #555 } small { color: #666 }
@media (max-width: 45em) { article { grid-template-columns: 1fr } }
"""


def write_page(path: Path, accepted: Sequence[Accepted], images: Path, shown: int, seed: int) -> None:
    """Write a page of `shown` conversations drawn at random, as many of each file as there are.

    Raises:
        InputError: if an image is broken.
    """
    sections = []
    for name, chosen in _drawn(accepted, shown, Random(seed)).items():
        articles = "\n".join(_article(each, images) for each in chosen)
        sections.append(f"<h2>{html.escape(name)}</h2>\n{articles}")
    head = '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>Samples</title>'
    title = f"{len(accepted)} conversations, some of each kind"
    body = "\n".join(sections)
    write_text(
        path, f'<!doctype html>\n<html lang="en">\n{head}\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{body}\n</html>\n'
    )


def _drawn(accepted: Sequence[Accepted], shown: int, rng: Random) -> dict[str, list[Accepted]]:
    of_file: dict[str, list[Accepted]] = defaultdict(list)
    for each in accepted:
        of_file[each.request.variant.file].append(each)
    return {
        name: rng.sample(of_file[name], min(len(of_file[name]), -(-shown // len(FILES))))
        for name in FILES
        if of_file[name]
    }


def _article(each: Accepted, images: Path) -> str:
    turns = "".join(f"<dt>{html.escape(turn.user)}</dt><dd>{html.escape(turn.ai)}</dd>" for turn in each.turns)
    given = html.escape(each.request.messages[-1]["content"])
    mended = f" (mended: {html.escape(', '.join(each.repairs))})" if each.repairs else ""
    return (
        f'<article><div><img alt="{html.escape(each.request.image.file_name)}" src="{_picture(each, images)}">'
        f"<small>{html.escape(each.request.id)}, candidate {each.candidate}{mended}</small></div>"
        f"<div><dl>{turns}</dl><details><summary>what the model was given</summary>{given}</details></div></article>"
    )


def _picture(each: Accepted, images: Path) -> str:
    """The image as a data URL, with the box of a region conversation."""
    path, region = images / each.request.image.file_name, each.request.region
    drawn = io.BytesIO(draw_region(path, region.box)) if region is not None else path
    with Image.open(drawn) as opened:
        image = opened.convert("RGB")
    image.thumbnail((WIDEST, WIDEST))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
