"""Filter a dataset by its stored statistics: `python curate.py data=ours quality.keep=0.8` makes `ours_qc`.

Nothing is scored twice. Each sample that is not kept is in `rejects.jsonl` with its reason.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.curate")


@entry("curate")
def main(cfg: DictConfig) -> None:
    """From statistics to kept ids."""
    from hydra.utils import instantiate

    import vlit.common.torchvision_shim  # noqa: F401
    from vlit.common.errors import InputError
    from vlit.data.rejects import Rejects
    from vlit.tuning import setup

    if cfg.data.get("curated_from"):
        raise InputError(f"data={cfg.data.name} is curated already: curate data={cfg.data.curated_from}")
    setup.prepare(cfg)
    samples = setup.whole_dataset(cfg, Rejects())
    instantiate(cfg.quality).kept(cfg.data.name, samples)
    log.info("wrote %s", Path(cfg.quality.folder) / cfg.data.name / "kept_ids.json")


if __name__ == "__main__":
    main()
