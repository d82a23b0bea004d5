# Every target sets up .venv by itself when it is not there, or older than pyproject.toml.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup run figure1 test smoke torture lint clean

setup: $(READY)

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

run: $(READY)
	$(BIN)/python experiments/run.py --env carflag --algo adqn-vr --seeds 20

# The paper's figure, or a part of it: make figure1 FRACTION=0.02 SEEDS=2 ENVS="carflag cleaner"
FIGURE1 = $(if $(FRACTION),--fraction $(FRACTION)) $(if $(SEEDS),--seeds $(SEEDS)) \
	$(if $(ENVS),--envs $(ENVS)) $(if $(ALGOS),--algos $(ALGOS)) $(if $(PRESET),--preset $(PRESET))

figure1: $(READY)
	$(BIN)/python experiments/figure1.py $(FIGURE1)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every script, for a few steps, into a folder of its own.
smoke: $(READY)
	$(BIN)/pytest tests/test_experiments

# A run killed at random moments, a hundred times over; takes minutes.
torture: $(READY)
	$(BIN)/pytest tests/torture -n 2 -rP

clean:
	rm -rf .venv
