#!/usr/bin/env bash
# The main job of every family and its blind control; their small files are packed in results/main/runs.jsonl, and
# README's table is made from it.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python sweep.py name=main launch=local datasets=[ours_qc] paths.runs=results/main tables=false
.venv/bin/python experiments/collect.py runs=results/main output=results/main
.venv/bin/python experiments/readme.py
