"""Score a finished run on a file in SEED-Bench's format: `python evaluate.py run=FOLDER benchmark=FILE mode=ranking`.

`control=shuffled_images` asks the same questions with the images of other questions: what a model scores then comes
from the text alone. Results go to `FOLDER/evaluations/`; the run's own result stays as it is.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry
from vlit.common.needed import check_files

log = logging.getLogger("vlit.evaluate")


@entry("evaluate")
def main(cfg: DictConfig) -> None:
    """Score the run and name the result file."""
    from vlit.runs.upgrade import scored_config

    check_files(scored_config(cfg), tuning=False)
    from vlit.evaluation.runs import score_run_again  # torch comes with it

    log.info("wrote %s", score_run_again(cfg))


if __name__ == "__main__":
    main()
