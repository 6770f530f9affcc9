"""Tune a model on a dataset and score it: `python train.py model=blip2 data=ours_qc seed=0`.

A run is a folder, `results/runs/{scale}/{model}/{data}/seed{seed}/`. The same command resumes a run that was
interrupted and leaves one that is done as it is; `plan=true` prints what a run needs and stops. `data=none` scores the
model before tuning. `-m` makes a sweep:
`python train.py -m model=llava,blip2,openflamingo data=llava,mimic_it,ours,ours_qc`.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from vlit.common.entry import entry, prepare
from vlit.common.needed import check_files, weights_fingerprint
from vlit.common.resolvers import accumulation
from vlit.sweep.machine import preset

log = logging.getLogger("vlit.train")


@entry("train", resolvers={"accumulation": accumulation, "preset": preset})
def main(cfg: DictConfig) -> None:
    """Run from whatever is missing to `result.json`."""
    if cfg.plan:
        from vlit.tuning.plan import plan

        print(plan(cfg))
        return
    check_files(cfg)
    # Imported here so that `--help` and a misspelt override need not wait for torch.
    from vlit.data.sample import Rejects
    from vlit.data.subset import UNTUNED, fingerprint
    from vlit.evaluation.runs import run_questions, score_run
    from vlit.runs.attempt import attempt
    from vlit.runs.folder import resolved
    from vlit.tuning import setup
    from vlit.tuning.samples import check_lists, run_samples
    from vlit.tuning.tune import tune

    folder = setup.run_folder(cfg)
    with attempt(folder) as requeued:  # alone in the folder; a failure leaves its reason there
        run = setup.tuning_run(cfg, folder)  # first, so that a wrong setting is found before anything is written
        if cfg.force or not folder.done:
            check_lists(cfg)
        if not folder.begin(resolved(cfg), cfg.force and not requeued):
            log.info("done already: %s (force=true starts again)", folder.result)
            return
        setup.seed_everything(cfg.seed)
        prepare(cfg)  # mini scale: weights unpacked, world drawn, datasets written; paper scale: nothing
        if cfg.data.name == UNTUNED:  # data=none: what tuning starts from
            model = setup.model(cfg)
            questions = run_questions(cfg, model, folder.benchmark_rejects)
            folder.record_start(UNTUNED, weights_fingerprint(cfg), setup.hardware(), exif=cfg.images.exif)
        else:
            rejects = Rejects()
            data = run_samples(cfg, rejects)  # reading, curating, equal size: a line in the log for each
            model = setup.model(cfg)
            dataset = setup.dataset(cfg, model, data.samples, rejects)
            rejects.write(folder.rejects)
            questions = run_questions(cfg, model, folder.benchmark_rejects)  # before tuning: what is wrong is known now
            folder.record_start(
                fingerprint(dataset.samples), weights_fingerprint(cfg), setup.hardware(), data.curation, cfg.images.exif
            )
            tune(model, dataset, run)
        score_run(cfg, setup.whole_model(cfg, model, folder), questions, folder)
        log.info("wrote %s", folder.result)


if __name__ == "__main__":
    main()
