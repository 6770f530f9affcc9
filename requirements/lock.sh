#!/usr/bin/env bash
# Resolves base.in for each platform and writes lock-cuda.txt and lock-cpu.txt; `make lock` runs it.
#
#   requirements/lock.sh BIN [options of uv pip compile, e.g. --upgrade or --upgrade-package wandb]
#
# BIN is the bin folder of a virtual environment with uv in it. The versions of the present locks are kept unless the
# options or base.in say otherwise.
#
# The CUDA lock comes first, because what CUDA needs contains what the CPU needs; the CPU lock then takes its versions.
# Of the CUDA build only metadata is read, not the gigabytes themselves.
set -euo pipefail
bin=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
common="Written by \`make lock\` from base.in: change that file, not this one. For Python 3.11 on Linux, x86_64."

compile() { # NAME [options]: resolve base.in into $work/lock-NAME.txt
  local name=$1
  shift
  "$bin/uv" pip compile --quiet --no-header --generate-hashes --no-emit-index-url --no-emit-find-links \
    --python "$bin/python" --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
    "$@" requirements/base.in --output-file "$work/lock-$name.txt"
}

cp requirements/lock-cuda.txt "$work/" 2>/dev/null || true # uv keeps the versions of the file it writes over
compile cuda "$@"

# The CPU build has a local version (torch==X+cpu), which base.in cannot name for both platforms. pip finds its file as
# in `make install`; uv reads there what it needs.
torch=$(grep -o '^torch==[^ ]*' requirements/base.in)+cpu
fetch=("$bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:
  --python-version 3.11 --platform manylinux_2_28_x86_64 --dest "$work/torch" "$torch")
"${fetch[@]}" || "${fetch[@]}" --extra-index-url https://download.pytorch.org/whl/cpu
versions() { grep -o '^[A-Za-z0-9._-]*==[^ ]*' "$1" | sed "s/^torch==.*/$torch/"; }
versions "$work/lock-cuda.txt" >"$work/lock-cpu.txt"
compile cpu --find-links "$work/torch" --no-cache # else each run leaves torch, unpacked, in uv's cache
if ! grep -q "^$torch " "$work/lock-cpu.txt" ||
  [ -n "$(comm -13 <(versions "$work/lock-cuda.txt" | sort) <(versions "$work/lock-cpu.txt" | sort))" ]; then
  echo "the CPU build of torch needs other versions than the CUDA build: nothing written" >&2
  exit 1
fi

cat - <(sed 's/^torch==/torch===/' "$work/lock-cuda.txt") >requirements/lock-cuda.txt <<END
# Everything for a machine with a GPU, the CUDA build of torch included.
# $common
#
#   pip install --no-deps --require-hashes -r requirements/lock-cuda.txt
#
# It is complete, and --no-deps keeps it so: nothing can bring in another build of torch. The third = of torch's line
# means this very version: torch==X is also met by X+cpu, so that a CPU build already there would stay.
END

cat - <(sed '/^torch==/,/^    # via/ { /--hash=/d; s/ \\$// }' "$work/lock-cpu.txt") >requirements/lock-cpu.txt <<END
# Everything for a machine without a GPU, the CPU build of torch included.
# $common
#
#   pip install --no-deps $torch    (where no configured index has it: with --extra-index-url, PyTorch's own)
#   pip install --no-deps --require-hashes -r requirements/lock-cpu.txt
#
# torch has no hash here and comes first. Its CPU build is not on PyPI; indexes that carry it carry files of their own,
# with other hashes, while pip asks for a hash of everything as soon as one line has one, except of what is installed
# already in the version asked for. Should another version be there, the second command stops and says that the hash is
# missing. The local version, +cpu, keeps a CUDA build from standing in; the lock is complete and --no-deps keeps it so.
# torchvision is PyPI's, as with CUDA; its compiled operators do not load beside this torch (src/vlit/common/torchvision_shim.py).
END
