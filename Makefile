# `make` lists what there is. `make demo` and `make test` set up .venv themselves, once.

VENV   := .venv
STAMP  := $(VENV)/.installed
BROKEN := $(VENV)/.installing
BIN    := $(VENV)/bin

# The first interpreter that runs, is 3.11 to 3.13 and can make environments. Being on the PATH is not enough: pyenv
# leaves names there that only fail. Choose another one with `make demo PYTHON=/path/to/python3.12`.
CANDIDATES := python3.13 python3.12 python3.11 python3
IS_USABLE  := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
usable      = $(if $(1),$(shell $(1) -c '$(IS_USABLE)' >/dev/null 2>&1 && echo '$(1)'))
PYTHON     ?= $(firstword $(foreach name,$(CANDIDATES),$(call usable,$(name))))
NO_PYTHON   = No usable Python$(if $(PYTHON), in PYTHON=$(PYTHON)): 3.11, 3.12 or 3.13 with its venv module is needed. \
Install one or run make PYTHON=/path/to/python3.12

PIP_FLAGS      ?= -qq
PYTEST_WORKERS ?= 2
PYTEST_FLAGS   ?=
NETWORKS       ?= networks
REPRODUCE_FLAGS ?=

# Errors and notes of TensorFlow's C++ side are not for a reader of our output. What TensorFlow 2.21 writes while it is being
# imported comes before it reads this variable.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export KERAS_BACKEND := tensorflow
export MPLBACKEND := Agg

.DEFAULT_GOAL := help
PEERS := .venv-peers
GPU := .venv-gpu
PEERS_GPU := .venv-peers-gpu

.PHONY: help demo reproduce test test-integration test-slow coverage test-peers fuzz check bench bench-check bench-peers bench-gpu real-network results docs dist clean

help:
	@echo 'make demo       set up .venv, train and evaluate three small networks, write gen_images/demo/report.html'
	@echo 'make reproduce  the paper'\''s tables and pictures from its published networks: make reproduce NETWORKS=folder'
	@echo 'make test       set up .venv, run the tests (about five minutes on two cores)'
	@echo 'make test-integration  the tests that take seconds each, which `make test` leaves out'
	@echo 'make test-slow  the long tests that both leave out'
	@echo 'make coverage   the tests again, with the share of lines of interp/ that they run; below 92% it fails'
	@echo 'make test-peers Foolbox, ART, Captum and Xplique beside this project, in .venv-peers (6 GB more)'
	@echo 'make fuzz       files, records, checkpoints, logs and command lines damaged at random, 36,000 cases in two minutes'
	@echo 'make check      style (ruff), types (mypy), and who may import whom, in interp/ and tools/'
	@echo 'make bench      measure every hot path and write benchmarks/results/ (an hour; see docs/performance.md)'
	@echo 'make bench-check  say which rows became more than 25% slower than the accepted table'
	@echo 'make bench-peers  measure Foolbox, ART, torchattacks, Captum and Xplique beside it, in .venv-peers (6 GB more)'
	@echo 'make bench-gpu  on a GPU: its tests, then both tables, in .venv-gpu and .venv-peers-gpu (20 GB); make real-network first for all rows'
	@echo 'make real-network  EfficientNet-Lite0 with ImageNet weights: port, compare with Captum, measure, in .venv-peers and .venv'
	@echo 'make results    write docs/results.md, docs/leaderboard.md, a table of docs/evaluating.md and the pages of networks/ from the records in docs/results'
	@echo 'make docs       run the tutorials and build the documentation into build/site (mkdocs), then check its links and how its pages fit'
	@echo 'make dist       build the wheels and sources of interp and interp-networks into dist/'
	@echo 'make clean      remove .venv, caches and build products; networks and pictures stay'

# make reproduce NETWORKS=folder_of_pickles REPRODUCE_FLAGS='--workers 2'
reproduce: $(STAMP)
	@$(BIN)/python -m interp reproduce $(NETWORKS) $(REPRODUCE_FLAGS)

demo: $(STAMP)
	@$(BIN)/python -m interp demo

test: $(STAMP)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal $(PYTEST_FLAGS)

test-integration: $(STAMP)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m 'integration and not slow' $(PYTEST_FLAGS)

test-slow: $(STAMP)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m slow $(PYTEST_FLAGS)

coverage: $(STAMP)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal -m 'not slow and not fuzz' --cov=interp --cov-report=term-missing:skip-covered --cov-fail-under=92 $(PYTEST_FLAGS)

test-peers: $(PEERS)/.installed
	@$(PEERS)/bin/python -m pytest -m '' tests/interoperation $(PYTEST_FLAGS)

fuzz: $(STAMP)
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) -m fuzz tests $(PYTEST_FLAGS)

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_import_directions.py

bench: $(STAMP)
	@$(BIN)/python benchmarks/run.py

bench-check: $(STAMP)
	@$(BIN)/python benchmarks/run.py --check

bench-peers: $(STAMP) $(PEERS)/.installed
	@$(BIN)/python benchmarks/run_peers.py $(PEERS)/bin/python

# For all libraries alike: memory as it is needed, since several processes share the GPU, and float32 that is not rounded to TF32.
bench-gpu: export TF_FORCE_GPU_ALLOW_GROWTH := true
bench-gpu: export NVIDIA_TF32_OVERRIDE := 0
bench-gpu: $(GPU)/.installed $(PEERS_GPU)/.installed
	@$(GPU)/bin/python -c 'import sys, tensorflow as tf; sys.exit(None if tf.config.list_physical_devices("GPU") else "TensorFlow finds no GPU")'
	@$(GPU)/bin/python -m pytest -m integration tests/test_gpu.py $(PYTEST_FLAGS)
	@$(GPU)/bin/python benchmarks/run.py --out benchmarks/results/bench_gpu.json
	@$(GPU)/bin/python benchmarks/run_peers.py $(PEERS_GPU)/bin/python --out benchmarks/results/peers_gpu.json

real-network: $(STAMP) $(PEERS)/.installed
	@$(PEERS)/bin/python benchmarks/real_network/port.py
	@$(PEERS)/bin/python benchmarks/real_network/compare_captum.py
	@$(BIN)/python benchmarks/real_network/costs.py

docs: $(VENV)/.docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@$(BIN)/python tools/site_pages/built_links.py build/site
	@PYTHONPATH=tools $(BIN)/python -m site_pages.shown_pages build/site
	@echo 'wrote build/site/index.html'

$(VENV)/.docs: $(STAMP)
	@echo 'Installing mkdocs into $(VENV)'
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[docs]'
	@touch $@

dist: $(STAMP)
	@$(BIN)/python -m pip install $(PIP_FLAGS) 'build>=1.2'
	@$(BIN)/python -m build --outdir dist .
	@$(BIN)/python -m build --outdir dist networks

results: $(STAMP)
	@$(BIN)/python tools/results_pages --rows interp/report/leaderboard.json --plot docs/images/leaderboard.png --cards networks/cards

# The peers' TensorFlow takes CUDA from an extra too; their PyTorch brings its own.
$(PEERS_GPU)/.installed: CUDA := 'tensorflow[and-cuda]'
$(PEERS)/.installed $(PEERS_GPU)/.installed: pyproject.toml
	@echo 'Installing peers into $(@D): 6 GB and more, a few minutes, once'
	@rm -rf $(@D)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install $(PIP_FLAGS) -e '.[dev,peers]' $(CUDA)
	@$(@D)/bin/python -m pip install $(PIP_FLAGS) --no-deps torchattacks==3.5.1
	@touch $@

$(GPU)/.installed: pyproject.toml setup.py constraints.txt
	@echo 'Installing into $(GPU), with CUDA: a few minutes, once'
	@rm -rf $(GPU)
	@$(PYTHON) -m venv $(GPU)
	@$(GPU)/bin/python -m pip install $(PIP_FLAGS) -c constraints.txt -e '.[dev,gpu]'
	@touch $@

# An installation that was interrupted leaves $(BROKEN) and no stamp: the next one starts from an empty folder, because
# pip takes a half-copied package for an installed one.
$(STAMP): pyproject.toml setup.py constraints.txt
	$(if $(call usable,$(PYTHON)),,$(error $(NO_PYTHON)))
	@if [ -e $(BROKEN) ]; then rm -rf $(VENV); fi
	@mkdir -p $(VENV)
	@rm -f $@
	@touch $(BROKEN)
	@echo 'Installing into $(VENV): about 3 GB, a few minutes, once. To watch it: make PIP_FLAGS=-v'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt pip setuptools wheel
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt --build-constraint constraints.txt -e '.[dev]'
	@rm -f $(BROKEN)
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(GPU) $(PEERS_GPU) build dist .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis networks/build *.egg-info networks/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
