"""Make the shipped mini weights anew: `python pretrain.py force=true` (about two hours on two cores).

Stages: tokenizer; clip_first, clip_second, eva, clip (contrastive, and what patches show); opt_short, opt_text,
vicuna_short, vicuna (text); the rounds of llava, blip2 and openflamingo (alignment).
An interrupted stage goes on from its last save; `stages=[blip2] force=true` makes one anew.
"""

from __future__ import annotations

from omegaconf import DictConfig

from vlit.common.entry import entry


@entry("pretrain")
def main(cfg: DictConfig) -> None:
    """All stages, or those asked for."""
    from hydra.utils import instantiate

    import vlit.common.torchvision_shim  # noqa: F401

    instantiate(cfg.plan).run()


if __name__ == "__main__":
    main()
