"""Make the shipped mini weights again: `python -m vlit.mini.pretraining force=true` (about two hours on two cores).

Stages: tokenizer; clip_first, clip_second, eva, clip (contrastive, and what patches show); opt_short, opt_text,
vicuna_short, vicuna (text); the rounds of llava, blip2 and openflamingo (alignment).
An interrupted stage resumes from its last save: give the stages that are left, `stages=[blip2,...] force=true`.
"""

from __future__ import annotations

from omegaconf import DictConfig

from vlit.common.entry import entry


@entry("pretrain")
def main(cfg: DictConfig) -> None:
    """Run all stages, or those chosen."""
    from hydra.utils import instantiate

    instantiate(cfg.plan).run()


if __name__ == "__main__":
    main()
