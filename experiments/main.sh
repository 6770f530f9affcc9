#!/usr/bin/env bash
# The main job of every family and its blind control; their small files are packed in results/main/runs.jsonl, and
# README's table is made from it.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=results/main
for model in llava blip2 openflamingo; do
  .venv/bin/python train.py "model=$model" data=ours_qc "paths.runs=$runs"
  .venv/bin/python evaluate.py "run=$runs/mini/$model/ours_qc/seed0" control=shuffled_images
done
.venv/bin/python experiments/collect.py "runs=$runs" "output=$runs"
.venv/bin/python experiments/readme.py
