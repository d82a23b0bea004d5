# Every target sets up .venv by itself when it is not there, or older than pyproject.toml: with the
# newest versions that pyproject.toml allows or, as in `make LOCKED=1 test`, with those of the lock
# file of the Python in use. Changing from one to the other makes .venv anew.
PYTHON ?= python3
BIN := .venv/bin
NEWEST := .venv/.ready
PINNED := .venv/.ready-locked
READY := $(if $(LOCKED),$(PINNED),$(NEWEST))
OTHER := $(if $(LOCKED),$(NEWEST),$(PINNED))
SITE := .venv/.ready-docs
CUDA := .venv/.ready-cuda
LOCK = locks/python-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])').txt
# Bytecode is left to the first import: most of what is installed is never imported.
PIP_INSTALL := pip install --quiet --disable-pip-version-check --no-compile -e '.[dev]'

.PHONY: setup lock run figure1 check test test-all docs serve wheel smoke torture gpu lint clean

setup: $(READY)

$(READY): pyproject.toml $(if $(LOCKED),$(LOCK))
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=...")'
	$(PYTHON) -m venv $(if $(wildcard $(OTHER)),--clear) .venv
	$(BIN)/$(PIP_INSTALL) $(if $(LOCKED),-c $(LOCK))
	mkdir -p .venv/types/adqn_jax
	ln -sfn ../../../envs .venv/types/adqn_jax/envs
	touch $@

# Refresh the lock file of the Python in use, from an environment of its own: make lock PYTHON=...
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/$(PIP_INSTALL)
	echo "# Made by 'make lock', for 'make LOCKED=1 test'." > $(LOCK)
	.venv-lock/bin/pip freeze --all --exclude pip --exclude-editable >> $(LOCK)
	rm -rf .venv-lock

run: $(READY)
	$(BIN)/python experiments/run.py --env carflag --algo adqn-vr --seeds 20

# The paper's figure, or a part of it: make figure1 FRACTION=0.02 SEEDS=2 ENVS="carflag cleaner"
FIGURE1 = $(if $(FRACTION),--fraction $(FRACTION)) $(if $(SEEDS),--seeds $(SEEDS)) \
	$(if $(ENVS),--envs $(ENVS)) $(if $(ALGOS),--algos $(ALGOS)) $(if $(PRESET),--preset $(PRESET))

figure1: $(READY)
	$(BIN)/python experiments/figure1.py $(FIGURE1)

# While one works: what is quick to run and says much. By CPU time 15 s of lint, 30 s of tests.
FAST := $(addprefix tests/test_,architecture.py gymnax_faults.py prose.py workflows.py \
	docs.py::test_links docs.py::test_readme_links_every_page \
	docs.py::test_every_command_is_listed) \
	$(addprefix tests/test_adqn_jax/,results runs/test_folder.py runs/test_lock.py \
	runs/test_records.py test_config.py test_returns.py test_spaces.py test_versions.py)

check: lint
	$(BIN)/pytest -q -n 2 $(FAST)

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

# With what is wider than needed to find most faults, and the site; takes about twice as long.
test-all: lint docs
	$(BIN)/pytest -n 2 --dist loadfile --all

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in build/site: a warning is an error. Then every page of it in a headless Chromium.
docs: $(SITE)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build  # --quiet would hide warnings from itself, too
	$(BIN)/pytest tests/site -rs

# The site on http://127.0.0.1:8000, made anew whenever a page changes.
serve: $(SITE)
	$(BIN)/mkdocs serve

$(SITE): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]' $(if $(LOCKED),-c $(LOCK))
	touch $@

# The wheel, with what it declares and nothing else: two seeds train, and a policy acts.
wheel: $(READY)
	rm -rf build/wheel build/empty && mkdir -p build/wheel/source
	cp -r adqn_jax envs pyproject.toml README.md LICENSE build/wheel/source
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w build/wheel build/wheel/source
	$(PYTHON) -m venv build/empty
	build/empty/bin/pip install --quiet --disable-pip-version-check build/wheel/*.whl
	cd build/empty && bin/python -I ../../tests/outside/train_and_act.py

# Every script, for a few steps, into a folder of its own.
smoke: $(READY)
	$(BIN)/pytest tests/test_experiments

# A run killed at random moments, a hundred times over; takes minutes.
torture: $(READY)
	$(BIN)/pytest tests/torture -n 2 -rP

# With a GPU: all that docs/performance.md says about GPUs, in at most ten minutes.
gpu: $(CUDA)
	$(BIN)/python experiments/accelerator.py

$(CUDA): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,cuda13]' $(if $(LOCKED),-c $(LOCK))
	touch $@

clean:
	rm -rf .venv build
