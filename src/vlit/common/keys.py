"""Every configuration key of every command, with its type and range: declared here once, checked by `settings`.

A key is written with dots; `*` stands for any one name or number, `**` for all that is below. A new key of `conf/`
needs a row here, as a test says. Ranges that depend on other keys or on data are checked where those are known.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

Open: Any = Annotated[Any, Meta(description="anything")]  # arguments of somebody else's class, which checks them itself

Nullable: Any = Annotated[None, Meta(description="a group of settings, or null")]
TextOrGroup: Any = Annotated[str, Meta(description="a text, or a group of settings", min_length=1)]


def _numbers(kind: Any, words: str, **limits: Any) -> Any:
    return Annotated[kind, Meta(description=words, **limits)]


def _texts(words: str, **limits: Any) -> Any:
    return Annotated[str, Meta(description=words, **{"min_length": 1, **limits})]


Switch: Any = bool
Seed: Any = _numbers(int, "a whole number from 0 to 4294967295", ge=0, le=2**32 - 1)
Whole: Any = _numbers(int, "a whole number, 0 or more", ge=0)
Count: Any = _numbers(int, "a whole number, at least 1", ge=1)
Share: Any = _numbers(float, "a number from 0 to 1", ge=0, le=1)
Part: Any = _numbers(float, "a number above 0 and at most 1", gt=0, le=1)
Cosine: Any = _numbers(float, "a number from -1 to 1", ge=-1, le=1)
Rate: Any = _numbers(float, "a number, 0 or more", ge=0)
Beta: Any = _numbers(float, "a number from 0 to below 1", ge=0, lt=1)
Positive: Any = _numbers(float, "a number above 0", gt=0)
Number: Any = _numbers(float, "a number")
Text: Any = _texts("a text")
Name: Any = _texts("a name of letters, digits, `_`, `-`, `.` and `+`", pattern=r"^(?!\.+$)[\w.+\-]+$")
Dotted: Any = _texts("the dotted name of a class or function", pattern=r"^\w+(\.\w+)+$")
Path: Any = _texts("a path", pattern=r"^[^\x00]+$")
File: Any = Annotated[Path, Meta(extra={"path": "file"})]
Folder: Any = Annotated[Path, Meta(extra={"path": "folder"})]
Url: Any = _texts("an address that begins with http:// or https://", pattern=r"^https?://")
Size: Any = Annotated[
    Literal["equal", "all"] | Count, Meta(description="`equal`, `all` or a number of samples, at least 1")
]
Precision: Any = Literal["32-true", "16-mixed", "bf16-mixed"]
Variable: Any = _texts("the name of an environment variable", pattern=r"^[A-Za-z_]\w*$")
Digest: Any = _texts("a hash in hexadecimal digits", pattern=r"^[0-9a-f]+$")
Shard: Any = _texts("a part such as 3/16, the third of sixteen", pattern=r"^[1-9]\d*/[1-9]\d*$")


def kind_of_path(kind: Any) -> str | None:
    """Return "file" or "folder" for a type of paths, None for any other."""
    found = [meta.extra.get("path") for meta in getattr(kind, "__metadata__", ()) if meta.extra]
    return found[0] if found else next(filter(None, map(kind_of_path, getattr(kind, "__args__", ()))), None)


_SOURCE = {  # of one dataset: `data`, and each of the compared `datasets`
    "name": Name, "annotations": Path, "images": Path, "curated_from": Name | None, "outside": Switch,
    "read.annotations": Path, "read.instructions": Path, "read.images": Path, "read.train": File | None,
    "read.folder": Path, "read.in_context": Whole, "read.name": Name, "read.upright": Switch, "read.outside": Switch,
    "read.kinds": list[Literal["global", "negative", "region"]],
}  # fmt: skip
_SERVER = {  # of a language model behind a server: `llm`, and the judge's
    "model": Text, "base_url": Url | None, "key_variable": Variable | None, "concurrency": Count, "timeout": Positive,
    "attempts": Count, "backoff": Rate, "longest_wait": Rate, "requests_per_minute": Positive | None,
    "tokens_per_minute": Positive | None, "budget": Rate | None, "give_up_after": Count, "price.input": Rate,
    "price.output": Rate,
}  # fmt: skip


def _below(node: str, keys: dict[str, Any]) -> dict[str, Any]:
    return {f"{node}.{key}": kind for key, kind in keys.items()}


# Hydra's own, in any node.
HYDRA: dict[str, Any] = {
    "**._target_": Dotted, "**._partial_": Switch, "**._convert_": Literal["none", "partial", "object", "all"],
}  # fmt: skip
# What several commands have in common.
KEYS: dict[str, Any] = {
    "scale": Name, "seed": Seed, "force": Switch, "data_size": Size, "run_folder": Folder,
    **_below("paths", dict.fromkeys(("root", "cache", "weights", "data", "coco_images", "seed_bench", "runs"), Folder)),
    # scale
    "images.exif": Switch,
    **_below("prepare.*", {
        "parts": Folder, "folder": Folder, "world_folder": Folder, "spec.seed": Seed, "spec.scenes": Count,
        "spec.benchmark_groups": Count, "spec.*.samples": Count, "spec.*.error_rate": Share,
    }),
    **_below("planned", {"samples": Count, "length": Count, "sources.*": Text}),
    # data
    **_below("data", _SOURCE), **_below("datasets.*", _SOURCE),
    **_below("dose", {"principle": Name, "level": Whole, "samples": Count, "seed": Seed, "world_folder": Folder,
                      "folder": Folder}),
    # model
    **_below("model", {
        "name": Name, "label": Text, "family": Name, "add_bos": Switch, "half_frozen": Switch,
        "template": Literal["vicuna_v1", "blip2", "flamingo", "openflamingo_vqa"],
        "library": Literal["transformers", "lavis"], "strategy": TextOrGroup, "strategy.**": Open,
        "architecture": Nullable, "architecture.**": Open,
        "build.library": Literal["transformers", "lavis"], "build.trained": list[Name],
        "build.gradient_checkpointing": Switch, "build.sources.*": Text, "build.network": Path, "build.tokenizer": Path,
        "build.vision": Path, "build.language": Path, "build.projector": File, "build.select_layer": int,
        "build.cross_attn_every_n_layers": Count, "build.vision_model": Text, "build.vision_weights": File | None,
        "build.vision_configs": Folder | None, "build.checkpoint": File | None, "build.connectors": Nullable,
        "build.connectors.*": Count, "build.**": Open,
        "lora.rank": Count, "lora.alpha": Positive, "lora.dropout": Share, "lora.half": Switch,
    }),
    # tuning
    **_below("tuning", {
        "epochs": Count, "max_steps": _numbers(int, "a whole number, at least -1 (no limit)", ge=-1),
        "batch_size": Count, "global_batch": Count | None, "accumulation": Count, "max_length": Count, "workers": Whole,
        "precision": Precision, "gradient_clip": Positive | None, "save_every": Count,
        "samples_per_epoch": Count | None, "resampled": Switch, "loss_multiplier": Positive,
        "optimizer.lr": Rate, "optimizer.betas": list[Beta],
        "optimizer.weight_decay": Rate, "optimizer.eps": Positive, "optimizer.**": Open,
        "groups.weight_decay": Rate, "schedule.base_rate": Rate, "schedule.warmup_rate": Rate,
        "schedule.minimum_rate": Rate, "schedule.warmup_steps": Whole, "schedule.warmup_ratio": Share,
        "schedule.epochs": Count, "schedule.per_step": Switch,
    }),
    **_below("trainer", {
        "accelerator": Literal["cpu", "gpu", "cuda", "mps", "tpu", "auto"], "devices": Count,
        "strategy": TextOrGroup, "num_nodes": Count,
        "deterministic": bool | Literal["warn"], "use_distributed_sampler": Switch, "enable_model_summary": Switch,
        "log_every_n_steps": Count, "gpu": Nullable, "gpu.name": Text, "gpu.memory": Positive, "gpu.questions": Count,
        "**": Open,
    }),
    "logger.loggers": list[dict[str, Any]],
    # quality
    "indicators": list[Text],
    **_below("quality", {
        "folder": Folder, "batch_size": Count, "rank_by": list[Name], "keep": Part, "least.*": Number | None,
        "unit": Literal["sample", "turn"], "known": File | None, "most_alike": Count | None, "at_random": Part | None,
        "judge": Text | None, "balanced": Count | None, "seed": Seed, "command": Text, "clip.name": Text,
        "clip.weights": File, "clip.configs": Folder | None, "clip.tokenizer": Folder | None, "clip.source": Text,
    }),
    **_below("judge", {
        "kind": Literal["family", "llava", "server"], "times": Count, "run": Folder | None, "build.folder": Folder,
        "build.device": Text, "build.dtype": Text, "build.replies": File, "build.temperature": Rate,
        "build.max_tokens": Count, **_below("build.server", _SERVER),
    }),
    **_below("parser", {"model": Text, "workers": Whole, "folder": Text, "formalism": Text,
                        "device": _numbers(int, "the number of a GPU, or -1 for the CPU", ge=-1)}),
    # language models
    **_below("llm", {**_SERVER, "folder": Path, "seed": Seed, "device": Text, "dtype": Text, "n": Count,
                     "error_rate": Share, "malformed_rate": Share, "side_file": Path}),
    **_below("llm_defaults", {"model": Text, "base_url": Url | None}),
    **_below("sampling", {"temperature": Rate, "n": Count, "max_tokens": Count}),
    "replies": File,
}  # fmt: skip

_BENCHMARK_MODES: Any = Literal["ranking", "generation"]
_NORMALISATIONS: Any = Literal["mean", "sum", "without_image", "without_prompt"]
_VARIANT = {
    "name": Name,
    "file": Name,
    "opening": Text,
    "requirements": list[Text],
    "reminder": Text,
    "least_turns": Count,
}
_PUBLISHED_FILE = {"name": Name, "url": Url, "md5": Digest, "sha256": Digest, "unpack": Path, "members": list[Path]}
_AXIS: Any = Annotated[str | int | list[str], Meta(description="a choice, or a list of a choice and its overrides")]

# Not `Text | list[Text]`: msgspec crashes on a union whose two parts both have limits.
_TEXTS: Any = Annotated[str | list[str], Meta(description="a text, or a list of texts")]

# What one command has for itself; its keys win over those in common.
COMMANDS: dict[str, dict[str, Any]] = {
    "train": {
        "plan": Switch, "benchmark.annotations": File, "benchmark.images": Folder,
        **_below("benchmark.scoring", {"mode": _BENCHMARK_MODES, "normalisation": _NORMALISATIONS, "batch_size": Count,
                                       "workers": Whole, "precision": Precision}),
    },
    "evaluate": {
        "run": Folder, "benchmark": File | None, "images": Folder | None, "mode": _BENCHMARK_MODES,
        "normalisation": _NORMALISATIONS, "control": Literal["shuffled_images"] | None,
    },
    "ask": {
        "run": Folder | None, "image": _TEXTS, "question": _TEXTS, "max_new_tokens": Count,
        "num_beams": Count,
    },
    "export": {"run": Folder, "to": Folder},
    "assess": {
        "shard": Shard, "output": Folder,
        **_below("encoder", {"folder": Folder | None, "pooling": Literal["mean", "cls"], "batch_size": Count,
                             "max_length": Count}),
        **_below("tags", {"coverage": Share, "redundancy": Cosine, "likeness": Cosine, "most": Count,
                          "selective": Switch}),
        **_below("instruction_diversity", {"per_task": Count, "support": Count, "longest": Count, "seed": Seed}),
        **_below("response_diversity", {"eps": Positive, "min_samples": Count, "per_task": Count, "seed": Seed}),
    },
    "curate": {},
    "construct": {
        "images": Count | None, "variants": list[Name], "examples_shown": Whole, "least_region": Share,
        "retry_failed": Switch, "shown": Whole, "output": Folder, "templates.*": Text,
        "rules.forbidden": list[Text], "rules.region_words": list[Text], "rules.near_duplicate": Share,
        **_below("source", {
            "annotations": Folder, "images": Folder, "output": Folder,
            "read": list[Literal["caption", "object", "attribute", "ocr", "vqa", "visual_genome"]],
            "prepare.*.folder": Folder, "prepare.*.spec.scenes": Count, "prepare.*.spec.benchmark_groups": Count,
            "prepare.*.spec.seed": Seed,
        }),
        **_below("prompts.*", _VARIANT),
        **_below("examples.*", {"file": Name, "description": Text, "conversation": list[list[Text]]}),
    },
    "sweep": {
        "name": Name, "command": Name, "models": list[_AXIS] | None, "datasets": list[_AXIS], "seeds": list[Seed],
        "grid": dict[str, list[_AXIS]] | None, "overrides": list[Text],
        "launch": Literal["none", "local", "slurm", "tables"], "at_once": Count | None,
        "control": Literal["shuffled_images"] | None, "tables": Switch, "folder": Folder,
        **_below("slurm", {"account": Text | None, "partition": Text | None, "warning": Count, "options": list[Text],
                           "resources.*.gres": Text | None, "resources.*.memory": Positive, "resources.*.cpus": Count,
                           "resources.*.minutes": Count}),
    },
    "status": {"name": Name, "folder": Folder, "verify": Switch},
    "tables": {
        "source": Literal["published", "runs"], "paper": Folder, "runs": Path, "indicators": Path,
        "conversations": Folder | None, "images": Folder | None, "bootstrap": Switch, "output": Folder,
        "icc": Literal["one-way random", "two-way agreement", "two-way consistency"],
        **_below("only", dict.fromkeys(("scale", "scoring", "benchmark"), Text | None)),
        **_below("doses", {"prefix": Text, "base": Text, "principles.*.unit": Text, "principles.*.base": Number,
                           "principles.*.levels": list[Number]}),
    },
    "collect": {"runs": Path, "output": Folder},
    "fetch": {
        "folder": Folder, "dry_run": Switch, "only": list[Name] | None, "attempts": Count, "timeout": Positive,
        "wait": Rate, **_below("files.*", _PUBLISHED_FILE),
    },
    "pretrain": {
        "stages": list[Name],
        **_below("plan", {
            "parts": Folder, "cache": Folder, "stages": list[Name], "force": Switch, "seed": Seed, "scenes": Count,
            "statement_scenes": Count, "statement_weights.*": Positive, "documents": Count, "conversations": Count,
            "vocabulary": Count, "length": Count, "threads": Count, "budgets.*.steps": Count,
            "budgets.*.batch_size": Count, "budgets.*.rate": Positive,
        }),
    },
}  # fmt: skip
