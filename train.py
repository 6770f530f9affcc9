"""Tune a model on a dataset and score it: `python train.py model=blip2 data=ours_qc seed=0`.

A run is a folder, `results/runs/{scale}/{model}/{data}/seed{seed}/`. Started again it goes on where it stopped; done,
it says so; `plan=true` says what it would need and runs nothing. With `-m` it is a sweep: `python train.py -m
model=llava,blip2,openflamingo data=llava,mimic_it,ours,ours_qc`.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry

log = logging.getLogger("vlit.train")


@entry("train")
def main(cfg: DictConfig) -> None:
    """One run, from whatever is missing to `result.json`."""
    if cfg.plan:
        from vlit.tuning.plan import plan

        print(plan(cfg))
        return
    # Imported here so that `--help` and a misspelt override need not wait for torch.
    from vlit.common.prepare import prepare
    from vlit.data.dataset import InstructionDataset
    from vlit.data.rejects import Rejects
    from vlit.data.subset import fingerprint
    from vlit.data.templates import TEMPLATES
    from vlit.evaluation.runs import score_run
    from vlit.runs.attempt import attempt
    from vlit.runs.folder import resolved
    from vlit.tuning import setup, sharding
    from vlit.tuning.samples import run_samples
    from vlit.tuning.tune import tune

    folder = setup.run_folder(cfg)
    with attempt(folder) as requeued:  # alone in the folder; a failure leaves its reason there
        run = setup.tuning_run(cfg, folder)  # first: what is wrong with it is wrong at once
        if not folder.begin(resolved(cfg), cfg.force and not requeued):
            log.info("done already: %s (force=true starts it anew)", folder.result)
            return
        setup.seed_everything(cfg.seed)
        prepare(cfg)  # mini scale: weights unpacked, world drawn, datasets written; paper scale: nothing
        rejects = Rejects()
        data = run_samples(cfg, rejects)  # reading, curating, equal size: a line in the log for each
        model = setup.model(cfg)
        encoder = setup.encoder(cfg, model)
        dataset = InstructionDataset(
            data.samples, TEMPLATES[cfg.model.template], encoder, model.image_transform, rejects
        )
        rejects.write(folder.rejects)
        folder.record_start(fingerprint(dataset.samples), data.curation)
        tune(model, dataset, run)
        if sharding.is_sharded(cfg):
            model = setup.tuned_model(cfg, folder.checkpoint)  # in one piece again
        score_run(cfg, model, encoder, folder)
        log.info("wrote %s", folder.result)


if __name__ == "__main__":
    main()
