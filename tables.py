"""Every table and figure of the paper, and the audit: `python tables.py source=published` or `source=runs`.

`source=published` starts from the paper's own numbers and reports where they don't add up; `source=runs` builds the
same tables from finished runs. Neither needs torch.
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from vlit.common.entry import entry


@entry("tables")
def main(cfg: DictConfig) -> None:
    """Build everything and print where it was written."""
    from vlit.analysis.build import Options, build_outputs

    for line in build_outputs(Options.of(cfg, Path(__file__).parent / "conf")):
        print(line)


if __name__ == "__main__":
    main()
