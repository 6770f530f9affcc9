"""Get the public files that construct.py reads: `python fetch.py`; with `dry_run=true` it prints their sizes.

A broken download goes on where it stopped. `only=[captions_and_instances]` gets some of the files.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vlit.common.entry import entry

log = logging.getLogger("vlit.fetch")


@entry("fetch")
def main(cfg: DictConfig) -> None:
    """Fetch, check and unpack the chosen files."""
    from hydra.utils import instantiate

    from vlit.common.errors import InputError
    from vlit.construct.fetch import fetch, plan

    chosen = list(cfg.files) if cfg.only is None else list(cfg.only)
    unknown = [name for name in chosen if name not in cfg.files]
    if unknown:
        raise InputError(f"only: {', '.join(unknown)} unknown, choose from {', '.join(map(str, cfg.files))}")
    files = [instantiate(OmegaConf.to_container(cfg.files[name])) for name in chosen]
    folder = Path(cfg.folder)
    lines = (
        plan(files, folder, cfg.timeout) if cfg.dry_run else fetch(files, folder, cfg.attempts, cfg.timeout, cfg.wait)
    )
    for line in lines:
        log.info(line)


if __name__ == "__main__":
    main()
