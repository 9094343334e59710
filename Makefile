# Everything runs in .venv, made on first use; PYTHON=python3.12 picks another interpreter.
PYTHON ?= python3
BIN := .venv/bin
# Python keeps what it has compiled. Else each of the tests' processes compiles torch and crossbench.
unexport PYTHONDONTWRITEBYTECODE
# What is installed: crossbench alone, or with all that checking it takes.
USABLE := .venv/.usable
READY := .venv/.ready

.PHONY: demo test slow lint types contracts unit bench examples clean

demo: $(USABLE)
	$(BIN)/crossbench transfer --preset smoke --method acs,conv3d,crossd --protocol linear-probe \
		--folds 0 1 2 --jobs 2 --out results/demo
	$(BIN)/crossbench report results/demo
	@echo "To use crossbench in this shell: source $(BIN)/activate"

test: lint types contracts unit

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

# What takes minutes each: random damage, kills, fresh environments. Other files are not even read.
slow: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m slow \
		$$(grep --recursive --files-with-matches --include='test_*.py' 'mark\.slow' tests)

# In parentheses: ratio to the fastest of its group.
bench: $(READY)
	$(BIN)/pytest tests/benchmarks --benchmark-enable --benchmark-only \
		--benchmark-columns=median,iqr,rounds --benchmark-group-by=group --benchmark-sort=name

# Hours: every command whose figures the documents show, then the figures. Resumes when interrupted.
examples: $(READY)
	$(BIN)/python scripts/make_examples.py

$(READY): EXTRA := [dev]
$(READY) $(USABLE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "crossbench needs Python 3.11 or newer; try make PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m uv --version 2>/dev/null || $(BIN)/pip install --quiet uv \
		|| echo "uv cannot be had here; pip installs instead, which takes minutes"
	$(BIN)/python -m uv pip install --python $(BIN)/python --constraint constraints.txt \
		--editable '.$(EXTRA)' \
		|| $(BIN)/pip install --constraint constraints.txt --editable '.$(EXTRA)'
	touch $@

clean:
	rm -rf .venv build dist results *.egg-info .mypy_cache .ruff_cache .pytest_cache
