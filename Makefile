# `make run` and `make test` need Python 3.11 to 3.13, git and make; they set up the rest in .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run demo test test-long test-fast fuzz lint setup pictures lock clean

run: setup ## set up, run the main job on the embedded digits, say where the results are
	@$(BIN)/qatflow run

demo: setup ## the whole loop in demo/: drift, retraining, canary, promotion; under 5 minutes
	@$(BIN)/python -m examples.demo

test: setup ## everything but the long ones; about half an hour on 2 cores
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not long"

test-long: setup ## whole matrices of kills, random models, real cron: what is rare
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m long

test-fast: setup ## no training beyond a few steps, no server; about four minutes on 2 cores
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not flow and not fault and not long"

fuzz: setup ## models that nobody wrote, and histories of a registry; hours; MODELS=100 for less
	$(BIN)/python -m tests.fuzz --models $(or $(MODELS),2000)
	$(BIN)/python -m tests.fuzz.registry_histories --histories $(or $(HISTORIES),10000)

lint: setup ## style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(STAMP) ## install the locked packages; takes no time when nothing changed

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) or sys.exit(f"QATFlow needs Python 3.11 to 3.13, this is {sys.version.split()[0]}; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages into .venv; the first time this takes some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/qatflow graph >/dev/null
	@touch $@

pictures: setup ## the README's pictures, of the last `make run`; needs chromium
	$(BIN)/python -m tests.browser.pictures

lock: ## write requirements.lock anew from pyproject.toml; needs uv
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --extra all --group dev pyproject.toml -o requirements.lock

clean: ## remove what runs leave behind, not the environment
	rm -rf artifacts demo deployed logs monitoring online mlflow.db mlartifacts .qatflow .dvc/cache .dvc/tmp dvc.lock code.json
