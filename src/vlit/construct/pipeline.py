"""Build instruction data out of annotations, step by step (paper section 4.2, Figure 4)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from vlit.common.errors import InputError
from vlit.construct.judge import Judgement, Rejected, Rules, judge, per_image, reason_class
from vlit.construct.prompts import Request, RequestSpec, make_requests
from vlit.construct.sources.image import ImageAnnotations
from vlit.construct.sources.read import check_files, read_annotations
from vlit.construct.write import write_dataset
from vlit.data.images import FileImage, ImageFolder, unreadable
from vlit.data.sample import Rejects
from vlit.llm.cache import LanguageModel, ReplyCache
from vlit.llm.request import Reply, Sampling, key_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A dataset to construct.

    Attributes:
        annotations: folder of the annotation files.
        sources: names of the annotation sources to read.
        images: folder of the image files.
        limit: most images, the first by id; None is all.
        requests: how requests are made.
        llm: the model that writes conversations.
        rules: rules that conversations are checked against.
        replies: file of the model's replies.
        output: folder of the dataset.
        retry_failed: whether requests that failed for good in an earlier run are sent again.
        shown: number of conversations on the page of samples.
    """

    annotations: Path
    sources: Sequence[str]
    images: Path
    limit: int | None
    requests: RequestSpec
    llm: LanguageModel[Request]
    rules: Rules
    replies: Path
    output: Path
    retry_failed: bool = False
    shown: int = 24


def construct(job: Job) -> Path:
    """Build the dataset; every image ends as accepted or as rejected with the reasons.

    Replies are stored as they come, so an interrupted job continues where it stopped. The files are written at the
    end, whole or not at all: the same job gives the same files however often it was interrupted.

    Returns:
        The folder of the dataset.

    Raises:
        InputError: if an input is absent or broken, or the model can't answer now: not a single request is answered.
    """
    check_files(Path(job.annotations), job.sources, job.images)
    unused = Rejects()
    read = read_annotations(job.annotations, job.sources, unused)[: job.limit]
    if unused.rows:
        log.info("annotations: %s", unused.summary())
    images, absent = _with_files(read, job.images)
    requests = make_requests(images, job.requests)
    log.info("%d images with %d requests about them", len(images), len(requests))
    keys = [key_of(job.llm.body(request)) for request in requests]
    with ReplyCache(job.replies) as cache:
        answered = _answers(dict(zip(keys, requests, strict=True)), job, cache)
        if answered and all(reply.error is not None for reply in answered.values()):
            cache.forget(answered)
            raise InputError(
                f"not one of {len(answered)} requests was answered ({next(iter(answered.values())).error}): check the "
                f"model, then run the same command again; {job.output} is as it was"
            )
    judgement = judge([(request, answered[key]) for key, request in zip(keys, requests, strict=True)], job.rules)
    unmarked = _without_request(images, requests)
    judgement = Judgement(judgement.accepted, [*judgement.rejected, *absent, *unmarked, *_of_annotations(unused)])
    manifest = _manifest(job, read, answered, judgement)
    return write_dataset(job.output, judgement, [image.image_id for image in read], job.images, manifest, job.shown)


def _with_files(read: Sequence[ImageAnnotations], folder: Path) -> tuple[list[ImageAnnotations], list[Rejected]]:
    """Return the images that are there and decode, before anything is paid for; a broken one is one reject."""
    files = ImageFolder(folder)
    images, absent = [], []
    for image in read:
        try:
            found = files.find(image.file_name)
        except OSError as error:
            absent.append(Rejected(image.image_id, None, None, f"unusable file name: {error}"))
            continue
        if found is None:
            absent.append(Rejected(image.image_id, None, None, f"no image file {image.file_name}"))
        else:
            images.append(replace(image, file_name=found.path.relative_to(folder).as_posix()))
    broken = unreadable(FileImage(folder / image.file_name) for image in images)
    faults = {file.path: fault for file, fault in broken.items() if isinstance(file, FileImage)}
    absent += [
        Rejected(image.image_id, None, None, f"unreadable image: {faults[folder / image.file_name]}")
        for image in images
        if folder / image.file_name in faults
    ]
    return [image for image in images if folder / image.file_name not in faults], absent


def _of_annotations(unused: Rejects) -> list[Rejected]:
    """Return the annotations that were set aside, as rejects of their images (0 where they name none)."""
    return [
        Rejected(int(row.sample_id or 0), None, None, f"annotation: {row.reason}: {row.detail}")
        for row in unused.rows
        if not row.sample_kept and (row.sample_id.isdecimal() or not row.sample_id)
    ]


def _without_request(images: Sequence[ImageAnnotations], requests: Sequence[Request]) -> list[Rejected]:
    requested = {request.image.image_id for request in requests}
    return [
        Rejected(image.image_id, None, None, "no object is large enough to be marked")
        for image in images
        if image.image_id not in requested
    ]


def _answers(requests: Mapping[str, Request], job: Job, cache: ReplyCache) -> dict[str, Reply]:
    if job.retry_failed:
        cache.forget([key for key in requests if (reply := cache.get(key)) and reply.error is not None])
    known = sum(key in cache for key in requests)
    log.info("%d replies in %s, %d missing", known, job.replies, len(requests) - known)
    job.llm.answer(requests, cache)
    return {key: reply for key in requests if (reply := cache.get(key)) is not None}


def _manifest(
    job: Job, read: Sequence[ImageAnnotations], answered: Mapping[str, Reply], judgement: Judgement
) -> dict[str, Any]:
    """Return counts at every stage, cost, seeds and hashes of the prompts: nothing that differs between equal jobs."""
    replies = list(answered.values())
    accepted = judgement.accepted
    ends = per_image(judgement, [image.image_id for image in read])
    prompt = sum(reply.prompt_tokens for reply in replies)
    completion = sum(reply.completion_tokens for reply in replies)
    examples = [asdict(example) for example in job.requests.examples]
    return {
        "sources": list(job.sources),
        "generator": type(job.llm).__name__,
        "model": job.llm.name,
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
        "cost_usd": round(job.llm.price.of(prompt, completion), 6),
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=list).encode()).hexdigest()


def job_of(cfg: DictConfig) -> Job:
    """Make the job of a configuration (`conf/construct.yaml`), after the preparations of its source.

    Raises:
        InputError: if a variant is unknown or there is no language model.
    """
    for name in cfg.variants:
        if name not in cfg.prompts:
            raise InputError(f"variants: {name} is unknown, choose from {', '.join(map(str, cfg.prompts))}")
    llm = instantiate(cfg.llm, _convert_="all")
    if not llm:
        raise InputError("llm=none writes no conversations: choose llm=server, batch, local or offline")
    requests = request_spec(cfg)
    rules = instantiate(cfg.rules, _convert_="all")
    for step in cfg.source.prepare:
        instantiate(step)
    return Job(
        annotations=Path(cfg.source.annotations),
        sources=list(cfg.source.read),
        images=Path(cfg.source.images),
        limit=cfg.images,
        requests=requests,
        llm=llm,
        rules=rules,
        replies=Path(cfg.replies),
        output=Path(cfg.output),
        retry_failed=cfg.retry_failed,
        shown=cfg.shown,
    )


def request_spec(cfg: DictConfig) -> RequestSpec:
    """Make the part of a configuration that says how requests are made."""
    return RequestSpec(
        templates=instantiate(cfg.templates),
        variants=[instantiate(cfg.prompts[name], _convert_="all") for name in cfg.variants],
        examples=[instantiate(example, _convert_="all") for example in cfg.examples.values()],
        shown=cfg.examples_shown,
        least_region=cfg.least_region,
        seed=cfg.seed,
        sampling=Sampling(**cfg.sampling),
    )
