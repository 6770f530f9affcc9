"""Build instruction data from annotations: `python construct.py source=coco` or `source=world`.

Annotations are described in words, a language model writes conversations about them, and what keeps to the rules
becomes a dataset in COCO_ARC's format, read by `data=ours`. Started again, it continues where it stopped; no request is
sent twice. `llm` chooses the writer: server (any that speaks OpenAI's chat completions), batch (OpenAI's batch files),
local (a transformers model) or offline (no model; for the mini world).
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.construct")


@entry("construct")
def main(cfg: DictConfig) -> None:
    """Build the dataset and print where it was written."""
    from vlit.common.files import read_json
    from vlit.construct.pipeline import construct, job_of

    folder = construct(job_of(cfg))
    manifest = read_json(folder / "manifest.json")
    images, cost = manifest["images"], manifest["cost_usd"]
    log.info("%d of %d images accepted, $%.4f", images["accepted"], images["read"], cost)
    log.info("wrote %s (look through %s)", folder, folder / "samples.html")


if __name__ == "__main__":
    main()
