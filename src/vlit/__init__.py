"""Vision-language instruction tuning: build, measure, tune, score and relate, as one reproducible experiment.

A package imports only packages earlier in the order of the pipeline (a contract that `make lint` checks):

    common, llm, data, construct, models, quality, runs, tuning, evaluation, sweep, analysis, mini

Importing `vlit` imports none of them, so that `train.py --help` and `tables.py` need not wait for torch.
"""
