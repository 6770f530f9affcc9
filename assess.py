"""Measure the quality of a dataset: `python assess.py data=ours`.

Every statistic is computed once a sample and kept; the same command resumes a run that was interrupted. `shard=3/16`
measures a part of the samples, and a last run without `shard` puts the parts together. `judge=server`, `judge=llava`,
`judge=family` and `llm=server` add the indicators that need a model.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from vlit.common.entry import entry, prepare
from vlit.common.needed import check_files

log = logging.getLogger("vlit.assess")


@entry("assess")
def main(cfg: DictConfig) -> None:
    """Measure a dataset and write `quality.json` and `report.html`."""
    check_files(cfg)
    from functools import partial

    from hydra.utils import instantiate

    import vlit.common.torchvision_shim  # noqa: F401
    from vlit.common.files import write_json
    from vlit.data.sample import Rejects
    from vlit.data.subset import fingerprint
    from vlit.quality.assess import Assessment, instruments
    from vlit.quality.indicators.registry import register_from
    from vlit.quality.report import write_report
    from vlit.quality.statistics import Shard, StatisticsStore
    from vlit.tuning import setup
    from vlit.tuning.samples import draw, kept_ids

    register_from(cfg.indicators)
    shard = Shard.parse(cfg.shard)
    setup.seed_everything(cfg.seed)
    prepare(cfg)
    source, curation, rejects = instantiate(cfg.data), instantiate(cfg.quality), Rejects()
    features = curation.features()
    # One decoding an image: what is decoded to check it is encoded at once. A shard encodes its own images only.
    check = features.unreadable if shard.of == 1 else None
    log.info("reading %s (%s)", source.store, source.annotations)
    whole = source.load(rejects, check)
    made = Assessment(instruments(cfg, lambda: features, partial(setup.likelihood_judge, cfg, whole)))
    measured = whole
    if source.curated_from is not None and (kept := kept_ids(source, whole, curation)).turns:
        measured = kept.of(whole)  # other texts than the store's: they have statistics of their own
    store = StatisticsStore.of(Path(cfg.quality.folder), source.store, measured)
    tables = made.statistics(store, measured, shard)
    if shard.of > 1:
        log.info("shard %s done in %s; when all are, run without shard", cfg.shard, store.folder)
        return
    decoded_once = partial(features.unreadable, encode=False)
    drawn = draw(cfg, source, whole, curation, lambda other: other.load(Rejects(), decoded_once)).samples
    found = made.values(tables, drawn)
    found["details"]["set_aside_by_the_reader"] = rejects.counts()
    head = {"data": source.name, "scale": cfg.scale, "data_size": cfg.data_size, "fingerprint": fingerprint(drawn)}
    output = Path(cfg.output)
    write_json(output / "quality.json", {**head, **found})
    write_report(output / "report.html", source.name, found, tables, drawn)
    for key, value in found["indicators"].items():
        log.info("%-9s %s", key, "-" if value is None else f"{value:.2f}")
    log.info("wrote %s", output / "quality.json")


if __name__ == "__main__":
    main()
