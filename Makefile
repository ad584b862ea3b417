# `make demo`: the whole main job in minutes.  `make test`: what CI runs.  `make bench`: the benchmarks.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: install demo test fast-test lint types layers check bench docs picture laptop what-helps clean-demo

install: $(VENV)/.installed

# torch comes first and alone. On Linux the registry's own build brings gigabytes of CUDA libraries; for the build
# without them: make install TORCH_FLAGS="--index-url https://download.pytorch.org/whl/cpu"
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)" $(TORCH_FLAGS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,bench,docs,dev,tensorboard]"
	touch $@

demo: install clean-demo
	$(BIN)/setclosure run configs/interacting_particles/demo.yaml --out runs/demo

clean-demo:
	rm -rf runs/demo

# the picture of the README, from the demonstration's run
picture: install
	$(BIN)/python -c "from pathlib import Path; from setclosure.report.figures import save_overview; \
		save_overview(Path('runs/demo'), Path('docs/_static/overview.png'))"

# the committed numbers of results/laptop: about an hour on two cores; a stopped run goes on
laptop: install
	$(BIN)/setclosure run configs/interacting_particles/laptop.yaml --out runs/laptop --resume
	mkdir -p results/laptop
	cp runs/laptop/metrics.json runs/laptop/run.json runs/laptop/config.yaml results/laptop/

test: install
	$(BIN)/python -m pytest

fast-test: install
	$(BIN)/python -m pytest -m "not slow"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

check: lint types layers

bench: install
	$(BIN)/python -m benchmarks

docs: install
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# one change each to the laptop configuration, on its data and with its first seed: the page "What helps"
WHAT_HELPS := runs/what_helps
what-helps: laptop
	$(MAKE) $(WHAT_HELPS)/translation SET="--set model.symmetry=translation"
	$(MAKE) $(WHAT_HELPS)/no_symmetry SET="--set model.symmetry=none"
	$(MAKE) $(WHAT_HELPS)/no_closure SET="--set model.method=none"

$(WHAT_HELPS)/%: install FORCE
	$(BIN)/setclosure run configs/interacting_particles/laptop.yaml --data runs/laptop/data --out $@ --resume \
		--set seeds=[0] $(SET)
	mkdir -p results/what_helps/$*
	cp $@/metrics.json $@/run.json $@/config.yaml results/what_helps/$*/

FORCE:
