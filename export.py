"""Write a tuned model for other projects: `python export.py run=FOLDER to=FOLDER`.

LLaVA and BLIP-2 become transformers folders that `AutoProcessor` and `AutoModelForImageTextToText` load, OpenFlamingo a
`checkpoint.pt` for open_flamingo. Adapters are merged. `README.md` in the folder is the model's card.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.export")


@entry("export")
def main(cfg: DictConfig) -> None:
    """Export the model of a run."""
    from pathlib import Path

    from vlit.models.export import export
    from vlit.runs.card import model_card
    from vlit.runs.folder import RunFolder
    from vlit.tuning import setup

    run, to = RunFolder(Path(cfg.run)), Path(cfg.to)
    source, model = setup.run_model(cfg, cfg.run)
    export(model, to, model_card(source, run))
    log.info("wrote %s", to)


if __name__ == "__main__":
    main()
