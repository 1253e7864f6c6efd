# Two commands do all the set-up: `make scale` and `make test`. PYTHON names the interpreter to start from.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: scale test test-slow test-faults bench docs mutants lint clean

scale: $(STAMP)
	$(BIN)/reengage scale --out runs/main

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-slow: $(STAMP)
	$(BIN)/python -m pytest -n auto -m slow

# Faults at random moments (killed, full, damaged, ...): what they cost has to be nothing (about ten minutes).
test-faults: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m faults

# Speed, as ratios in one run (about ten minutes on a quiet machine).
bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks

# The documentation as pages, in site/ (its blocks are run by `make test`).
docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/python -m mkdocs build --strict --quiet

# The formulas changed in one place at a time: which claim notices which change (about half an hour on two cores).
mutants: $(STAMP)
	cd tests && ../$(BIN)/python -m mutants

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One environment for everything, made anew when what it holds changes.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python >= 3.11 is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
