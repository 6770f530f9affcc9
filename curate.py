"""Filter a dataset by its stored statistics: `python curate.py data=ours quality.keep=0.8` makes `ours_qc`.

Writes `kept_ids.json`, the list that `train.py data=ours_qc` tunes on, with the rules that made it; each sample that is
not kept is in `rejects.jsonl` with its reason. Nothing is measured twice.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry, prepare
from vlit.common.needed import check_files

log = logging.getLogger("vlit.curate")


@entry("curate")
def main(cfg: DictConfig) -> None:
    """Write the kept ids of a dataset."""
    check_files(cfg)
    from hydra.utils import instantiate

    from vlit.common.errors import InputError
    from vlit.data.sample import Rejects
    from vlit.quality.indicators.registry import register_from

    register_from(cfg.indicators)
    source = instantiate(cfg.data)
    if source.curated_from is not None:
        raise InputError(f"data={source.name} is curated already: curate data={source.curated_from}")
    curation = instantiate(cfg.quality)
    prepare(cfg)
    log.info("reading %s (%s)", source.name, source.annotations)
    curation.curate(source.name, source.load(Rejects()))
    log.info("wrote %s", curation.list_of(source.name))


if __name__ == "__main__":
    main()
