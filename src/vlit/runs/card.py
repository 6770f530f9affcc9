"""The model card of an exported model: what it was tuned on, how, with which result and from which commit."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from vlit.common.files import read_json
from vlit.runs.folder import RunFolder

_RECIPE = ("epochs", "max_steps", "batch_size", "accumulation", "max_length", "precision")


def model_card(cfg: DictConfig, run: RunFolder) -> str:
    """Return the card, in Markdown.

    Args:
        cfg: configuration of the run.
        run: its folder, whose `result.json` and `provenance.json` the card quotes.

    Raises:
        InputError: if the run has no result.
    """
    result, provenance = read_json(run.result), read_json(run.provenance)
    recipe: dict[str, Any] = {key: cfg.tuning[key] for key in _RECIPE if key in cfg.tuning}
    recipe["learning rate"] = cfg.tuning.optimizer.lr
    mini = " A small model of a generated world, for trying things out." if cfg.scale == "mini" else ""
    rows = [f"| {name} | {value:.1f} |" for name, value in result["accuracy"].items()]
    lines = [
        f"# {cfg.model.get('label', cfg.model.name)} tuned on {cfg.data.name}",
        "",
        f"Exported from a run of vlit (scale `{cfg.scale}`, seed {cfg.seed}).{mini}",
        "",
        f"- Data: `{cfg.data.name}`, fingerprint `{provenance['data_fingerprint']}`",
        f"- Recipe: {', '.join(f'{name} {value}' for name, value in recipe.items())}",
        f"- Commit: `{provenance['commit']}`",
        "- Licence: that of the weights it starts from, and Apache-2.0 for what vlit adds",
        "",
        f"Accuracy on {result['benchmark']} ({result['scoring']}), percent:",
        "",
        "| dimension | accuracy |",
        "|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)
