# Two commands are all a newcomer needs: `make demo` and `make test`. Both make the virtual environment first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
DATA   ?= ../shared/data

# Some machines tell Python to keep nothing of what it compiles; then each of the tests' processes compiles all.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check mutants results bench clean

demo: $(READY)  ## train, test and explain the paper's network on simulated cells; prints where the page lies
	$(BIN)/leuknet reproduce paper --demo --out build/demo
	@echo "Now look at cells, decide, and see where experts differ: $(BIN)/leuknet serve --demo"

test: $(READY)  ## all tests, in random order but for the longest; one at once more than cores, since some wait
	$(BIN)/python -m pytest --numprocesses $$(( $$(nproc) + 1 )) --dist loadfile --no-loadscope-reorder

check: $(READY)  ## style, types and direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

mutants: $(READY)  ## faults put into chosen modules, and what the tests catch; MODULE names one of them
	nice -n 19 $(BIN)/python studies/mutants.py $(MODULE)

results: $(READY)  ## measure again what docs/results.md states, and write it; DATA names the real images
	$(BIN)/python studies/results.py --data $(DATA)

bench: $(READY)  ## timings against named peers, an hour on a quiet machine; writes docs/performance.md
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement bench/requirements.txt
	$(BIN)/python bench/run.py
	$(BIN)/python bench/run.py --busy 2
	$(BIN)/python bench/smears.py
	$(BIN)/python studies/performance.py

clean:  ## remove what demo and bench made, not the environment
	rm -rf build

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "LeukNet needs Python 3.11 or 3.12; name one with: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,weights,report,batch,slides,web,client,postgres,dev]'
	touch $@
