"""Pack the small files of finished runs and of measured datasets as one JSON-lines file, which is committed.

`python experiments/collect.py` packs the study; `runs=FOLDER output=FOLDER` another. `tables.py source=runs` and
`readme.py` read the file as they read run folders.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from vlit.common.entry import entry


@entry("collect")
def main(cfg: DictConfig) -> None:
    """Pack the runs and print where they are."""
    from vlit.analysis.runs import PACKED, pack_runs

    packed = Path(cfg.output) / PACKED
    lines = pack_runs(Path(cfg.runs), packed, cfg.scale)
    print(f"{lines['run']} runs and {lines['quality']} datasets in {packed}")


if __name__ == "__main__":
    main()
