"""Annotations to instruction data, step by step (paper section 4.2, Figure 4)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.construct.judge import Judgement, Rejected, Rules, judge, per_image, reason_class
from vlit.construct.prompts import Request, RequestSpec, make_requests
from vlit.construct.sources.image import ImageAnnotations
from vlit.construct.sources.read import read_annotations
from vlit.construct.write import write_dataset
from vlit.llm.cache import ReplyCache
from vlit.llm.request import Generator, Reply, key_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What to construct.

    Attributes:
        annotations: folder of the annotation files.
        sources: which to read.
        images: folder of the image files.
        limit: so many images at most, the first by id; None is all.
        requests: what to ask about each image.
        generator: who answers.
        rules: what conversations are checked for.
        cache: file of the replies.
        output: folder of the dataset.
        retry_failed: ask again what failed for good earlier.
        shown: number of conversations on the page of samples.
    """

    annotations: Path
    sources: Sequence[str]
    images: Path
    limit: int | None
    requests: RequestSpec
    generator: Generator
    rules: Rules
    cache: Path
    output: Path
    retry_failed: bool = False
    shown: int = 24


def construct(job: Job) -> Path:
    """Build the dataset; every image ends as accepted or as rejected with the reasons.

    Replies are kept as they come, so an interrupted job goes on where it stopped, and the files are written at the end,
    whole or not at all: the same job gives the same files however often it was interrupted.

    Returns:
        The folder of the dataset.

    Raises:
        InputError: if an input is absent or broken, or the generator can't go on now.
    """
    if not job.images.is_dir():
        raise InputError(f"no image folder {job.images}: fetch it with `python fetch.py`, or mend the source's paths")
    read = read_annotations(job.annotations, job.sources)[: job.limit]
    images, absent = _with_files(read, job.images)
    requests = make_requests(images, job.requests)
    log.info("%d images with %d requests about them", len(images), len(requests))
    keys = [key_of(job.generator.body(request)) for request in requests]
    with ReplyCache(job.cache) as cache:
        answered = _answers(dict(zip(keys, requests, strict=True)), job, cache)
    judgement = judge([(request, answered[key]) for key, request in zip(keys, requests, strict=True)], job.rules)
    judgement = Judgement(judgement.accepted, [*judgement.rejected, *absent, *_unasked(images, requests)])
    manifest = _manifest(job, read, answered, judgement)
    return write_dataset(job.output, judgement, [image.image_id for image in read], job.images, manifest, job.shown)


def _with_files(read: Sequence[ImageAnnotations], folder: Path) -> tuple[list[ImageAnnotations], list[Rejected]]:
    there = {path.name for path in folder.iterdir()}
    images = [image for image in read if image.file_name in there]
    absent = [image for image in read if image.file_name not in there]
    return images, [Rejected(image.image_id, None, None, f"no image file {image.file_name}") for image in absent]


def _unasked(images: Sequence[ImageAnnotations], requests: Sequence[Request]) -> list[Rejected]:
    asked = {request.image.image_id for request in requests}
    return [
        Rejected(image.image_id, None, None, "no object is large enough to be marked")
        for image in images
        if image.image_id not in asked
    ]


def _answers(requests: Mapping[str, Request], job: Job, cache: ReplyCache) -> dict[str, Reply]:
    if job.retry_failed:
        cache.forget([key for key in requests if (reply := cache.get(key)) and reply.error is not None])
    known = sum(key in cache for key in requests)
    log.info("%d replies in %s, %d to ask for", known, job.cache, len(requests) - known)
    job.generator.answer(requests, cache)
    return {key: reply for key in requests if (reply := cache.get(key)) is not None}


def _manifest(
    job: Job, read: Sequence[ImageAnnotations], answered: Mapping[str, Reply], judgement: Judgement
) -> dict[str, Any]:
    """Counts at every stage, cost, seeds and hashes of what was asked: nothing that differs between equal jobs."""
    replies = list(answered.values())
    accepted = judgement.accepted
    ends = per_image(judgement, [image.image_id for image in read])
    prompt = sum(reply.prompt_tokens for reply in replies)
    completion = sum(reply.completion_tokens for reply in replies)
    examples = [asdict(example) for example in job.requests.examples]
    return {
        "sources": list(job.sources),
        "generator": type(job.generator).__name__,
        "model": str(getattr(job.generator, "model", getattr(job.generator, "folder", "offline"))),
        "seed": job.requests.seed,
        "prompts": {variant.name: variant.digest for variant in job.requests.variants},
        "examples": _hash(examples),
        "templates": _hash(asdict(job.requests.templates)),
        "images": {
            "read": len(read),
            "accepted": sum(count > 0 for count, _ in ends.values()),
            "rejected": sum(count == 0 for count, _ in ends.values()),
        },
        "requests": {
            "made": len(replies),
            "answered": sum(reply.error is None for reply in replies),
            "failed": sum(reply.error is not None for reply in replies),
        },
        "candidates": {
            "written": sum(len(reply.texts) for reply in replies),
            "accepted": len(accepted),
            "repaired": sum(bool(each.repairs) for each in accepted),
            "rejected": sum(fault.candidate is not None for fault in judgement.rejected),
        },
        "conversations": dict(sorted(Counter(each.request.variant.name for each in accepted).items())),
        "turns": sum(len(each.turns) for each in accepted),
        "reasons": dict(sorted(Counter(reason_class(fault.reason) for fault in judgement.rejected).items())),
        "tokens": {"prompt": prompt, "completion": completion},
        "cost_usd": round(job.generator.price.of(prompt, completion), 6),
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=list).encode()).hexdigest()


def job_of(cfg: DictConfig) -> Job:
    """Read `conf/construct.yaml`.

    Raises:
        InputError: if a choice is unknown.
    """
    source = _chosen(cfg, "source", "sources")
    for name in cfg.variants:
        if name not in cfg.prompts:
            raise InputError(f"variants: {name} is unknown, choose from {', '.join(map(str, cfg.prompts))}")
    _chosen(cfg, "generator", "generators")
    for step in source.prepare:
        instantiate(step)
    return Job(
        annotations=Path(source.annotations),
        sources=list(source.read),
        images=Path(source.images),
        limit=cfg.images,
        requests=RequestSpec(
            templates=instantiate(cfg.templates),
            variants=[instantiate(cfg.prompts[name], _convert_="all") for name in cfg.variants],
            examples=[instantiate(example, _convert_="all") for example in cfg.examples],
            shown=cfg.examples_shown,
            least_region=cfg.least_region,
            seed=cfg.seed,
        ),
        generator=instantiate(cfg.generators[cfg.generator], _convert_="all"),
        rules=instantiate(cfg.rules, _convert_="all"),
        cache=Path(cfg.cache),
        output=Path(cfg.output),
        retry_failed=cfg.retry_failed,
        shown=cfg.shown,
    )


def _chosen(cfg: DictConfig, choice: str, group: str) -> Any:
    name = cfg[choice] if cfg[choice] in cfg[group] else None
    if name is None:
        raise InputError(f"{choice}={cfg[choice]} is unknown: choose from {', '.join(map(str, cfg[group]))}")
    return cfg[group][name]
