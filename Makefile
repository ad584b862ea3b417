# `make demo`: the whole main job in minutes.  `make test`: what CI runs.  `make bench`: the benchmarks.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
EXHIBITS := table1 figure4 figure5 table3 table4 table5 baselines what-helps table2 figure6 \
    figure7 figure8 figure9 unravelling slow

.PHONY: install base-install demo test fast-test lint types layers check bench docs picture laptop clean-demo

install: $(VENV)/.installed

# torch comes first and alone. On Linux the registry's own build brings gigabytes of CUDA libraries; for the build
# without them: make install TORCH_FLAGS="--index-url https://download.pytorch.org/whl/cpu"
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)" $(TORCH_FLAGS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[all,test,bench,docs,dev]"
	touch $@

demo: install clean-demo
	$(BIN)/setclosure run configs/interacting_particles/demo.yaml --out runs/demo

clean-demo:
	rm -rf runs/demo

# the picture of the README, from the demonstration's run
picture: install
	$(BIN)/python -c "from pathlib import Path; from setclosure.experiments.report.figures import save_overview; \
		save_overview(Path('runs/demo'), Path('docs/_static/overview.png'))"

# the committed numbers of results/laptop: hours on two cores; a stopped command goes on
laptop: install
	for name in $(EXHIBITS); do $(BIN)/setclosure reproduce $$name --scale laptop || exit 1; done

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

# what users get who only predict: `pip install .` in an environment of its own, and a model that was saved elsewhere
base-install: install
	set -e; place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; \
	$(BIN)/python .ci/base_install.py make "$$place"; \
	$(PYTHON) -m venv "$$place/venv"; \
	"$$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)" $(TORCH_FLAGS); \
	"$$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt .; \
	cd "$$place"; "$$place/venv/bin/python" "$(CURDIR)/.ci/base_install.py" use "$$place"

bench: install
	$(BIN)/python -m benchmarks

docs: install
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
