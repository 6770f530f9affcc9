#!/usr/bin/env bash
# The blind control of every finished mini run: the same questions, another scene's image.
set -euo pipefail
cd "$(dirname "$0")/.."
for result in results/runs/mini/*/*/seed*/result.json; do
  .venv/bin/python evaluate.py "run=$(dirname "$result")" control=shuffled_images
done
