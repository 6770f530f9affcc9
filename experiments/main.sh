#!/usr/bin/env bash
# The main job of every family and its blind control; their small files are kept in results/main, README's table is
# made from them.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python sweep.py name=main launch=local datasets=[ours_qc] paths.runs=results/main tables=false
.venv/bin/python experiments/readme.py
