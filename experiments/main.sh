#!/usr/bin/env bash
# The main job of every family, its start (data=none), and the blind control of both; their small files are packed in
# results/main/runs.jsonl, and README's table and figure are made from it.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python sweep.py name=main launch=local datasets=[none,ours_qc] paths.runs=results/main tables=false
.venv/bin/python experiments/collect.py runs=results/main output=results/main
.venv/bin/python experiments/before_after.py
.venv/bin/python experiments/readme.py
