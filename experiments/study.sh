#!/usr/bin/env bash
# The study: quality of every dataset, the paper's grid, the doses; then its small files and its tables.
#   experiments/study.sh                 all of it        PART=grid or PART=doses: a part        SKIP_QUALITY=1: no assess.py
#   JOBS=2 GRID_SEEDS="0 1 2 3 4" DOSE_SEEDS="0 1" MODELS="llava blip2" PRINCIPLES="balance complexity" PYTHON=...
# Further arguments are overrides of every run (tuning.max_steps=3). May be stopped and started at any time: what is done
# is left alone, a killed run resumes from its checkpoint. A cell that fails stops no other; each sweep names the failed
# ones with their logs at its end, and `python status.py name=study_grid` shows how far one is.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} part=${PART:-all} failed=0
principles=${PRINCIPLES:-correctness task_diversity instruction_diversity response_diversity complexity balance}

grid=[llava,mimic_it,ours,ours_qc]
doses="[dose,'dose.principle=base','dose.level=0']"
for principle in $principles; do
  for level in 1 2 3 4; do doses+=",[dose,'dose.principle=$principle','dose.level=$level']"; done
done
overrides=$(printf ",'%s'" "$@")
[ $# = 0 ] && overrides=
grid_seeds=${GRID_SEEDS:-0 1 2 3 4} dose_seeds=${DOSE_SEEDS:-0 1} models=${MODELS:-}

sweep() { # name, overrides of sweep.py
  rm -f "results/sweeps/$1/manifest.jsonl" # other seeds or models are another grid; what is done stays done
  "$python" sweep.py "name=$1" launch=local "at_once=${JOBS:-null}" control=null tables=false "${@:2}" || {
    [ $? != 130 ] || exit 130 # Ctrl-C ends the study, not one sweep of it
    failed=1
  }
}
[ -n "${SKIP_QUALITY:-}" ] || [ "$part" = doses ] || # one at a time: they share a world and statistics
  sweep study_quality_grid command=assess "grid={data:$grid}" at_once=1
[ -n "${SKIP_QUALITY:-}" ] || [ "$part" = grid ] ||
  sweep study_quality_doses command=assess "grid={data:[$doses]}"
[ "$part" = doses ] ||
  sweep study_grid "datasets=$grid" "seeds=[${grid_seeds// /,}]" ${models:+"models=[${models// /,}]"} "overrides=[${overrides#,}]"
[ "$part" = grid ] ||
  sweep study_doses "datasets=[$doses]" "seeds=[${dose_seeds// /,}]" ${models:+"models=[${models// /,}]"} "overrides=[${overrides#,}]"

"$python" experiments/collect.py
"$python" tables.py source=runs runs=results/study output=results/study
[ $failed = 0 ] || { echo "some cells failed, see above; the same command tries them again" >&2; exit 1; }
