"""One of our models as a judge of data: as it is before tuning, or as a run left it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from vlit.data.sample import Sample
from vlit.data.templates import TEMPLATES
from vlit.quality.judges.likelihood import FamilyJudge
from vlit.runs.folder import RunFolder
from vlit.tuning import setup


def family_judge(cfg: DictConfig, samples: Sequence[Sample]) -> FamilyJudge:
    """The judge that `cfg.model` and `cfg.judge.run` name; it contrasts with the images of `samples`."""
    if cfg.judge.run is None:
        source, key = cfg, f"{cfg.model.name}|before tuning"
        model = setup.model(cfg)
    else:
        run = RunFolder(Path(cfg.judge.run))
        loaded = OmegaConf.load(run.config)
        assert isinstance(loaded, DictConfig)
        source, key = loaded, f"{run.path.resolve()}|{run.checkpoint.stat().st_mtime_ns}"
        model = setup.tuned_model(source, run.checkpoint)
    pool = [sample.images[-1] for sample in samples if sample.images]
    return FamilyJudge(model, setup.encoder(source, model), TEMPLATES[source.model.template], pool, key)
