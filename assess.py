"""Measure the quality of a dataset: `python assess.py data=ours`.

Every statistic is computed once a sample and kept; started again, it goes on where it stopped. `shard=3/16` does a
part of the samples, and a last run without `shard` puts the parts together. `judge=server`, `judge=llava`,
`judge=family` and `llm=server` add the indicators that need a model.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.assess")


@entry("assess")
def main(cfg: DictConfig) -> None:
    """From a dataset to `quality.json`."""
    import vlit.common.torchvision_shim  # noqa: F401
    from vlit.common.files import write_json
    from vlit.data.rejects import Rejects
    from vlit.data.subset import fingerprint
    from vlit.quality.assess import assessment
    from vlit.quality.report import write_report
    from vlit.quality.statistics import Shard, StatisticsStore
    from vlit.tuning import setup

    shard = Shard.parse(cfg.shard)
    setup.seed_everything(cfg.seed)
    setup.prepare(cfg)
    rejects = Rejects()
    whole = setup.whole_dataset(cfg, rejects)
    made = assessment(cfg, lambda: setup.likelihood_judge(cfg, whole))
    name = cfg.data.get("curated_from") or cfg.data.name
    store = StatisticsStore.of(Path(cfg.quality.folder), name, whole)
    tables = made.statistics(store, whole, shard)
    if shard.of > 1:
        log.info("shard %s done in %s; when all are, run without shard", cfg.shard, store.folder)
        return
    drawn = setup.samples(cfg, Rejects())
    found = made.indicators(tables, drawn)
    found["details"]["set_aside_by_the_reader"] = rejects.counts()
    head = {"data": cfg.data.name, "scale": cfg.scale, "data_size": cfg.data_size, "fingerprint": fingerprint(drawn)}
    write_json(Path(cfg.output) / "quality.json", {**head, **found})
    page = Path(cfg.output) / "report.html"
    write_report(page, cfg.data.name, found, tables, drawn, made.response_clusters)
    for key, value in found["indicators"].items():
        log.info("%-9s %s", key, "-" if value is None else f"{value:.2f}")
    log.info("wrote %s", Path(cfg.output) / "quality.json")


if __name__ == "__main__":
    main()
