#!/usr/bin/env bash
# The grid of Table 3: every model tuned on every dataset. Seeds: the first argument, "0" by default.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python train.py -m model=llava,blip2,openflamingo data=llava,mimic_it,ours,ours_qc "seed=${1:-0}"
