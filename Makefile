# The main job:   make reproduce
# The tests:      make test
# Both make .venv with exactly the versions of constraints.txt when there is none. Needs Python >= 3.11 (with venv), git and make.

# The first of these that is new enough makes .venv; name your own as in: make test PYTHON=/path/to/python3.12
PYTHON ?= python3 python3.13 python3.12 python3.11 python
OUT    ?= out/reproduce
JOBS   ?= logical

VENV     := .venv
BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt

.PHONY: reproduce smoke install dev test bench reliability lint format docs check-docs clean

reproduce: $(VENV)/.base
	$(BIN)/see-in-pairs reproduce --out $(OUT)

smoke: $(VENV)/.base
	$(BIN)/see-in-pairs reproduce --smoke --out out/smoke

# One thread per test process: two processes on two cores are faster than four threads fighting over them.
test: export HF_HUB_OFFLINE = 1
test: export OMP_NUM_THREADS = 1
test: export MPLBACKEND = Agg
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(JOBS) --maxprocesses 8 --dist loadscope --no-loadscope-reorder $(ARGS)

bench: export HF_HUB_OFFLINE = 1
bench: $(VENV)/.dev
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only $(ARGS)

# A hundred kills of all pipelines, wrong values in every key of every config, hostile files: 23, 20 and 13 minutes at most, whose end a slow
# machine meets earlier in the work. The tables of the last run are kept.
reliability: export HF_HUB_OFFLINE = 1
reliability: $(VENV)/.dev
	$(BIN)/python -m tests.reliability.campaign --minutes 23 --folder out/reliability --table docs/development/reliability.md $(ARGS)
	$(BIN)/python -m tests.reliability.fuzz --minutes 20 --table docs/development/reliability-fuzz.md
	$(BIN)/python -m tests.reliability.hostile_files --minutes 13 --table docs/development/reliability-fuzz.md

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m pytest -q tests/house

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -n -q -b html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Every console block of README and docs that is not marked 'not run'.
check-docs: $(VENV)/.dev
	$(BIN)/python -m tests.docs.console_blocks $(ARGS)

install: $(VENV)/.base
dev: $(VENV)/.dev

# What is installed is remembered in stamp files, so that pip runs again only when the metadata or the pins change.
$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing into $(VENV) (once; a few minutes on a usual connection)"
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing into $(VENV), with the tools of development (once; a few minutes on a usual connection)"
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.base $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/.created
	$(PIP) -e '.[docs]'
	@touch $(VENV)/.base $@

$(VENV)/.created:
	@for candidate in $(PYTHON); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    $$candidate -m venv $(VENV) && touch $@ && exit 0; \
	    echo "make: $$candidate could not make $(VENV): install Python's venv module (on Debian and Ubuntu the package python3-venv)" >&2; exit 2; \
	  fi; \
	done; \
	echo "make: no Python 3.11 or newer found (tried: $(PYTHON)): install one, or name it, as in: make $(or $(MAKECMDGOALS),reproduce) PYTHON=/path/to/python3.12" >&2; exit 2

clean:
	rm -rf out build docs/_build docs/generated docs/reference/generated docs/gallery .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .benchmarks .hypothesis
