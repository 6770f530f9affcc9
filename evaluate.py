"""Score a finished run on a SEED-Bench-format file: `python evaluate.py run=RUN_FOLDER benchmark=FILE mode=ranking`.

`control=shuffled_images` asks the same questions with another scene's image: what a model scores then, it has from the
text alone. Results go to `RUN_FOLDER/evaluations/`, beside the run's own and never over them.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.evaluate")


@entry("evaluate")
def main(cfg: DictConfig) -> None:
    """One evaluation."""
    from vlit.evaluation.runs import evaluate_again

    log.info("wrote %s", evaluate_again(cfg))


if __name__ == "__main__":
    main()
