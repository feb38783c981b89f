# Two commands on a fresh machine; each does all of its set-up and can be repeated.
#
#   make demo    train a small model on the sample films, predict a folder, score it
#   make test    lint, types, layers and tests
#
# Further: make soak (the long lists that `make test` samples), make docs (help texts into
# docs/cli.md), make samples (draw the sample films and train the bundled model again), make clean.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --constraint constraints.txt
TEST := XRAYBATCH_STRICT=$(STRICT) $(BIN)/python -m pytest -n 2 --dist loadfile -rs

.PHONY: demo test lint docs soak samples clean
.DELETE_ON_ERROR:

demo: $(READY)-train
	@rm -rf demo && mkdir demo
	$(BIN)/xraybatch sample demo/films
	$(BIN)/xraybatch train --plugin narrow --data demo/films --out demo/run
	$(BIN)/xraybatch predict demo/films --model demo/run --out demo/results.csv
	$(BIN)/xraybatch score demo/results.csv demo/films/labels.csv --report demo/score.md
	@echo
	@echo "The run folder is demo/run, the table demo/results.csv, the report demo/score.md."
	@echo "(The model saw most of these films in training; its honest score is the one that train printed.)"
	@echo "To go on by hand: . .venv/bin/activate"

test: lint
	$(TEST) -m "not soak" --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: $(READY)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/cog --check docs/cli.md || { echo "The help texts in docs/cli.md are old: make docs" >&2; exit 1; }

docs: $(READY)-dev
	$(BIN)/cog -r docs/cli.md

soak: $(READY)-dev
	$(TEST) -m soak

samples: $(READY)-train
	$(BIN)/python -m xraybatch_samples.make films sample_data/xraybatch_samples/films
	$(BIN)/python -m xraybatch_samples.make model

clean:
	rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*

$(READY)-train: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing xraybatch with training (TensorFlow is large; this takes a minute or two) …"
	@$(PIP) --editable '.[train]'
	@touch $@

$(READY)-dev: pyproject.toml constraints.txt | $(VENV)
	@echo "Installing xraybatch with training and the developer's tools …"
	@$(PIP) --editable '.[train,dev]'
	@touch $@ $(READY)-train

# the first of these that runs, is of the right version and can make environments
$(VENV):
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python; do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	      >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$($$python --version) …"; exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with venv was found." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13)," >&2; \
	echo "or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1
