# Backstop. `make` alone lists what can be made.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

BIN := .venv/bin
# Whatever way a target ends, nothing it started stays behind.
CONTAINED := $(BIN)/python .ci/contain.py
ARGS ?=
# Where it is set, every process would compile everything it imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test bench sweep trial lint format docs clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.ready-demo ## The main job, live in the terminal; ONCE=1 ends by itself, else the Prefect UI stays until Ctrl-C
	@$(CONTAINED) $(BIN)/backstop demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

# Three workers for two cores: each waits for a third of its time; a fourth only makes them wait for each other.
test: lint ## Lint, types, import contracts and every test; ARGS='tests/rules -k name' selects
	@$(CONTAINED) --strict $(BIN)/pytest -n 3 --dist loadgroup $(ARGS) || { \
		echo 'What failed among its neighbours is tried once more, alone on the machine; that decides.'; \
		$(CONTAINED) --strict $(BIN)/pytest --last-failed --last-failed-no-failures=none; }

bench: .venv/.ready-test ## Measure the promises; OUT=file.json writes them, ONLY=pattern selects
	@OUT='$(OUT)' ONLY='$(ONLY)' $(CONTAINED) --strict $(BIN)/python -m benchmarks

sweep: .venv/.ready-test ## Kill every flow at every journal boundary (make test does a seeded sample); ONLY=3,4 selects
	@BACKSTOP_SWEEP=$(or $(ONLY),all) $(CONTAINED) --strict $(BIN)/pytest tests/crash $(ARGS)

trial: .venv/.ready-test ## Start every scenario and upkeep from its form in the Prefect UI and by its alarms, and let it recover
	@BACKSTOP_TRIAL=all $(CONTAINED) --strict $(BIN)/pytest tests/ui/test_scenarios.py tests/ui/test_upkeep.py tests/real/test_alarm_routes.py $(ARGS)

lint: .venv/.ready-test ## Formatting, ruff, strict mypy, import contracts
	@$(BIN)/ruff format --check --quiet . || { echo 'Not formatted; run: make format'; $(BIN)/ruff format --diff --quiet . | head -40; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@said=$$($(BIN)/lint-imports --no-logo) || { echo "$$said"; exit 1; }

format: .venv/.ready-test ## Format the code and apply ruff's safe fixes
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

docs: .venv/.ready-test ## Write the generated pages of docs/ again
	@$(BIN)/python -m docs.generate

clean: ## Remove everything that was installed or cached here
	rm -rf .venv .backstop .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready-test: uv.lock pyproject.toml .ci/setup
	@.ci/setup test && touch $@ .venv/.ready-demo

.venv/.ready-demo: uv.lock pyproject.toml .ci/setup
	@.ci/setup demo && touch $@
