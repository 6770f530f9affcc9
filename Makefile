# Two commands do everything: `make train` and `make test`. `make help` lists the rest.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=
# Threads that wait by spinning make everything many times slower on a busy machine.
export OMP_WAIT_POLICY ?= PASSIVE
# `make install BUILD=cuda` on a machine without a GPU (a cluster's login node) makes the environment for one that has it.
BUILD := $(shell nvidia-smi >/dev/null 2>&1 && echo cuda || echo cpu)
LOCK := requirements/lock-$(BUILD).txt
# The version of one package in the CPU lock: $(call locked,torch) is torch==2.13.0+cpu.
locked = $(shell grep -o '^$(1)==[^ ]*' requirements/lock-cpu.txt)
PYTORCH := --extra-index-url https://download.pytorch.org/whl/cpu

# Runs at the start of every program of the environment: `import torchvision` then works with the CPU build too.
HOOK := import importlib.util; importlib.util.find_spec("vlit") and __import__("vlit.common.torchvision_hook")

.PHONY: help install train test test-slow test-slurm test-reference lint format clean
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

install: $(STAMP)  ## create .venv from the pinned requirements

# With a GPU the CUDA build of torch, without one the CPU build: from a configured index, else from PyTorch's own.
# --no-deps, because each lock is complete: then no dependency can bring another build of torch. The CPU build comes
# first and without a hash; the head of lock-cpu.txt says why. pip would compile the modules one after another, and
# stays quiet about those that don't compile (templates, old syntax), as we do.
$(STAMP): $(LOCK) requirements/nodeps.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
ifeq ($(BUILD),cpu)
	$(PIP) --no-deps --no-compile $(call locked,torch) || \
	  $(PIP) --no-deps --no-compile $(PYTORCH) $(call locked,torch)
endif
	$(PIP) --no-deps --no-compile --require-hashes -r $(LOCK)
	$(PIP) --no-deps --no-compile --require-hashes -r requirements/nodeps.txt
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	$(PIP) --no-deps --no-build-isolation --editable .
	echo '$(HOOK)' > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/vlit_torchvision.pth"
	touch $(STAMP)

# In an environment of its own, since it is needed only when requirements change.
UV := .venv-lock
.PHONY: lock
lock:  ## resolve requirements/base.in into the two lock files (ARGS: --upgrade, or --upgrade-package NAME)
	test -x $(UV)/bin/python || $(PYTHON) -m venv $(UV) || python3 -m venv $(UV)
	$(UV)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	requirements/lock.sh $(UV)/bin $(ARGS)

train: install  ## the main job: tune BLIP-2 on ours_qc; its start and a blind control next to it (with ARGS, overrides, the first alone)
	$(BIN)/python train.py model=blip2 data=ours_qc $(ARGS)
ifeq ($(ARGS),)
	$(BIN)/python train.py model=blip2 data=none
	$(BIN)/python evaluate.py run=results/runs/mini/blip2/ours_qc/seed0 control=shuffled_images
	$(BIN)/python experiments/main_job.py
endif

# Most of the time goes into starting commands, so that two workers with a thread each take half as long as one with two.
test: export OMP_NUM_THREADS ?= 1
test: install  ## the tests (under 20 minutes with the install)
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

test-slow: install  ## minutes-long checks
	$(BIN)/python -m pytest -m slow $(ARGS)

# As root on Debian or Ubuntu it installs SLURM's packages first; where they cannot be had the tests skip and say so.
SLURM := slurmctld slurmd slurm-client munge
test-slurm: install  ## tests on a real SLURM (ten minutes on two cores)
	@command -v slurmctld >/dev/null || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(SLURM); } || true
	$(BIN)/python -m pytest -m slurm -rs $(ARGS)

# LAVIS under its own old pins, apart from everything else; torch is the CPU build here too.
ORACLE := .venv-oracle
ORACLE_PIP := $(ORACLE)/bin/python -m pip install --quiet --disable-pip-version-check
.PHONY: oracle
oracle: $(ORACLE)/.installed  ## the environment in which LAVIS runs unmodified, to compare with
$(ORACLE)/.installed: requirements/oracle.txt requirements/lock-cpu.txt
	test -x $(ORACLE)/bin/python || $(PYTHON) -m venv $(ORACLE) || python3 -m venv $(ORACLE)
	$(ORACLE_PIP) $(call locked,torch) || $(ORACLE_PIP) $(PYTORCH) $(call locked,torch)
	$(ORACLE_PIP) --no-deps $(call locked,torchvision)
	$(ORACLE_PIP) --no-deps -r requirements/oracle.txt
	touch $@

test-reference: install oracle  ## comparison with the original libraries
	$(BIN)/python -m pytest -m reference $(ARGS)

lint: install  ## ruff, mypy and the import contract
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

format: install  ## format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:  ## remove what runs have made (not the environment)
	rm -rf cache outputs results/runs results/sweeps results/tables results/figures

.PHONY: construct
construct: install  ## instruction data out of the mini world, offline (ARGS adds overrides, e.g. source=coco)
	$(BIN)/python construct.py source=world $(ARGS)

.PHONY: fetch
fetch: install  ## COCO 2014 and the annotations that construct.py reads (ARGS=dry_run=true lists them)
	$(BIN)/python -m vlit.construct.fetch $(ARGS)

.PHONY: bench-quality
bench-quality: install  ## speed of the quality indicators against the reference libraries
	$(PIP) --no-deps karateclub==1.3.3 python-louvain==0.16 sentence-transformers==5.1.2
	$(BIN)/python benchmarks/quality_speed.py $(ARGS)

.PHONY: bench-construct
bench-construct: install  ## requests a second of construction against a local server
	$(BIN)/python -m benchmarks.construction_speed $(ARGS)

.PHONY: bench-ranking
bench-ranking: install  ## questions a second of our answer ranking against one full forward a choice
	$(BIN)/python benchmarks/ranking_speed.py $(ARGS)

.PHONY: bench-training
bench-training: install  ## samples a second of tuning against a bare loop and transformers.Trainer
	$(BIN)/python benchmarks/training_speed.py $(ARGS)

.PHONY: bench-reading
bench-reading: install  ## processor time of reading 158,000 samples of instruction data
	$(BIN)/python benchmarks/reading_speed.py $(ARGS)

.PHONY: weights
weights: install  ## the mini weights made again from nothing (two hours on two cores)
	$(BIN)/python -m vlit.mini.pretraining force=true $(ARGS)

.PHONY: picture
picture: install  ## the import picture of docs/architecture.md
	$(BIN)/python docs/picture.py
