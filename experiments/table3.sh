#!/usr/bin/env bash
# The grid of Table 3: every model tuned on every dataset and scored, also with other scenes' images. Seeds: the first
# argument, "0" by default.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -f results/sweeps/table3/manifest.jsonl # other seeds are another grid; what is done stays done
.venv/bin/python sweep.py name=table3 launch=local "seeds=[${1:-0}]"
