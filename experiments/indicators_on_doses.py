"""Whether indicators follow what they name: `python experiments/indicators_on_doses.py data=dose dose.samples=400`.

Builds the 25 datasets of the dose-response design and computes every indicator that needs no judge and no language
model. For each principle and indicator: Spearman's correlation of the indicator with the dose over its five levels, and
how far the indicator moves (largest less least). Writes `results/quality/doses.json` and `doses.md`.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig
from scipy.stats import spearmanr

from vlit.common.entry import entry, prepare
from vlit.common.errors import InputError
from vlit.common.files import write_json, write_text
from vlit.runs.folder import commit

log = logging.getLogger("vlit.indicators_on_doses")
INDICATORS = ("MD", "T", "I_div", "I_forms", "R", "R_forms", "OG", "I_cx_rule", "I_cx_steps", "Balance")


def measure(cfg: DictConfig, folder: Path) -> dict[str, dict[str, Any]]:
    """Return principle, level, dose and indicators of each dataset of the design."""
    from vlit.data.formats.coco_arc import read_coco_arc
    from vlit.data.sample import Rejects
    from vlit.mini.doses.build import build_dose
    from vlit.mini.doses.design import doses
    from vlit.quality.assess import Assessment, instruments
    from vlit.quality.curate import Curation
    from vlit.quality.indicators.registry import BY_KEY, register_from
    from vlit.quality.statistics import Shard, StatisticsStore

    register_from(cfg.indicators)
    curation: Curation = instantiate(cfg.quality)
    chosen_instruments = instruments(cfg, cache(curation.features), _no_judge)
    chosen = [BY_KEY[key] for key in INDICATORS]
    found: dict[str, dict[str, Any]] = {}
    for dose in doses():
        data = build_dose(dose.principle, dose.level, cfg.dose.samples, cfg.dose.seed, cfg.dose.world_folder,
                          folder / "data" / dose.name)  # fmt: skip
        samples = read_coco_arc(data, Path(cfg.paths.coco_images), Rejects(), kinds=["global"], check=None)
        made = Assessment(chosen_instruments, chosen)
        tables = made.statistics(StatisticsStore.of(folder / "statistics", dose.name, samples), samples, Shard())
        values = made.values(tables, samples)["indicators"]
        found[dose.name] = {"principle": dose.principle, "level": dose.level, "dose": dose.dose, "indicators": values}
        log.info("%s: %s", dose.name, {key: round(value, 2) for key, value in values.items()})
    return found


def _no_judge() -> NoReturn:
    raise InputError("this experiment has no judge")


def followed(found: dict[str, dict[str, Any]], base_doses: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by principle and indicator, Spearman's rho with the dose (0 where nothing moves) and the range."""
    base = next(row for row in found.values() if row["level"] == 0)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for principle, base_dose in base_doses.items():
        rows = [row for row in found.values() if row["principle"] == principle]
        points = sorted([(base_dose, base), *((row["dose"], row) for row in rows)], key=lambda point: point[0])
        table[principle] = {}
        for key in INDICATORS:
            values = [row["indicators"][key] for _, row in points]
            moves = float(np.ptp(values))
            rho = float(spearmanr([dose for dose, _ in points], values).statistic) if moves > 0 else 0.0
            table[principle][key] = {"rho": rho, "moves": moves}
    return table


def page(table: dict[str, dict[str, dict[str, float]]], samples: int, seed: int) -> str:
    """Return the table in Markdown."""
    command = f"python experiments/indicators_on_doses.py data=dose dose.samples={samples} dose.seed={seed}"
    lines = [
        "# Indicators on doses",
        "",
        "Spearman's correlation of each indicator with the dose over five levels, and (how far it moves).",
        f"`{command}`, commit `{(commit() or 'none')[:7]}`",
        "",
        "| dose | " + " | ".join(INDICATORS) + " |",
        "|---" * (len(INDICATORS) + 1) + "|",
    ]
    for principle, cells in table.items():
        shown = [f"{cells[key]['rho']:+.2f} ({cells[key]['moves']:.2f})" for key in INDICATORS]
        lines.append(f"| {principle.replace('_', ' ')} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"


@entry("assess")
def main(cfg: DictConfig) -> None:
    """Measure all doses and write the table."""
    from vlit.mini.doses.design import BASE_DOSE

    prepare(cfg)
    found = measure(cfg, Path(cfg.paths.cache) / "indicators_on_doses")
    table = followed(found, BASE_DOSE)
    output = Path(cfg.paths.root) / "results" / "quality"
    head = {"samples": cfg.dose.samples, "seed": cfg.dose.seed, "commit": commit()}
    write_json(output / "doses.json", {**head, "datasets": found, "followed": table})
    write_text(output / "doses.md", page(table, cfg.dose.samples, cfg.dose.seed))
    log.info("wrote %s", output / "doses.md")


if __name__ == "__main__":
    main()
