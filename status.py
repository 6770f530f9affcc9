"""How far a sweep is: `python status.py name=grid`.

Every cell of the grid as done, running, queued, failed or missing, why it failed, and the one command that finishes it.
`verify=true` compares every result with its predictions.
"""

from __future__ import annotations

from omegaconf import DictConfig

from vlit.common.entry import entry


@entry("status")
def main(cfg: DictConfig) -> None:
    """Print the table."""
    from vlit.sweep.status import page

    print(page(cfg.name, cfg.folder, cfg.verify))


if __name__ == "__main__":
    main()
