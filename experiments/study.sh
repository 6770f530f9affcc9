#!/usr/bin/env bash
# The study: quality of every dataset, the paper's grid, the doses; then its small files and its tables.
#   experiments/study.sh                 all of it        PART=grid or PART=doses: a part
#   JOBS=2 GRID_SEEDS="0 1 2 3 4" DOSE_SEEDS="0 1"        PYTHON=.venv/bin/python   MODELS, PRINCIPLES: some of them
# Further arguments are overrides of every run (tuning.max_steps=3). May be stopped and started at any time: what is done
# is left alone, a killed run goes on from its checkpoint. A run that fails stops no other; its log is named at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} jobs=${JOBS:-2} part=${PART:-all}
logs=cache/study/logs
mkdir -p "$logs"
export OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false

grid="data=llava data=mimic_it data=ours data=ours_qc"
principles=${PRINCIPLES:-correctness task_diversity instruction_diversity response_diversity complexity balance}
models=${MODELS:-llava blip2 openflamingo}
dose_sets() {
  echo "data=dose dose.principle=base dose.level=0"
  for principle in $principles; do
    for level in 1 2 3 4; do echo "data=dose dose.principle=$principle dose.level=$level"; done
  done
}
datasets() {
  [ "$part" = doses ] || printf '%s\n' $grid
  [ "$part" = grid ] || dose_sets
}
cells() {
  for seed in ${GRID_SEEDS:-0 1 2 3 4}; do
    [ "$part" = doses ] || for model in $models; do
      for data in $grid; do echo "model=$model $data seed=$seed"; done
    done
  done
  for seed in ${DOSE_SEEDS:-0 1}; do
    [ "$part" = grid ] || for model in $models; do dose_sets | sed "s/^/model=$model /; s/$/ seed=$seed/"; done
  done
}
one() {  # command, number of all, overrides of the cell, further overrides
  local name log
  name=$(echo "$1 $3" | tr ' =./' '____') log=$logs/$name.log
  # shellcheck disable=SC2086  # a cell is several overrides
  if "$python" "$1.py" $3 "${@:4}" >"$log" 2>&1; then
    rm -f "$logs/$name.failed"
    : >"$logs/$name.done"
    echo "$(date +%H:%M:%S) $(find "$logs" -name "$1*.done" | wc -l)/$2 $3"
  else
    mv "$log" "$logs/$name.failed"
    echo "$(date +%H:%M:%S) FAILED $3: $(tail -n 1 "$logs/$name.failed")" >&2
  fi
}
export -f one
export python logs

rm -f "$logs"/*.done "$logs"/*.failed
if [ -z "${SKIP_QUALITY:-}" ]; then
  # One at a time where they share a world, statistics and curated ids; doses share nothing.
  [ "$part" = doses ] || for set in $grid; do one assess "$(datasets | wc -l)" "$set"; done
  [ "$part" = grid ] || one assess "$(datasets | wc -l)" "$(dose_sets | head -n 1)"
  [ "$part" = grid ] || dose_sets | tail -n +2 | xargs -d '\n' -P "$jobs" -I CELL bash -c 'one assess "$0" "$@"' "$(datasets | wc -l)" CELL
fi
cells | xargs -d '\n' -P "$jobs" -I CELL bash -c 'one train "$0" "$@"' "$(cells | wc -l)" CELL "$@"
"$python" experiments/collect.py
"$python" tables.py source=runs runs=results/study output=results/study
failed=$(find "$logs" -name '*.failed' | wc -l)
[ "$failed" = 0 ] || { echo "$failed failed: see $logs/*.failed; the same command tries them again" >&2; exit 1; }
