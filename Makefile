# `make demo` and `make test` need nothing but Python 3.11, git and make: the first run sets up everything else.
# PYTHON=python3.12 chooses another interpreter. `make` alone lists what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint format bench faults fuzz fuzz-sql fuzz-plans spark azure docs lowest lock wheel test-wheel clean
export PYTHON
# The tests start some thousand processes: where bytecode is not kept, each of them compiles all its libraries again.
unexport PYTHONDONTWRITEBYTECODE
bin := .venv/bin

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

setup:  ## make or refresh .venv (every other target does this first)
	@.ci/setup

demo: setup  ## the whole story on real mortgage data, in build/demo (made anew each time)
	@rm -rf build/demo
	$(bin)/affidavit demo build/demo

test: setup  ## run the tests
	$(bin)/pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: setup  ## style, formatting, types, and the import contract
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/lint-imports

check: lint test  ## lint, then test

format: setup  ## put the code into the house format
	$(bin)/ruff check --fix-only
	$(bin)/ruff format

bench: setup  ## measure speed and memory, beside the machine and beside peers (fetches 90 MB of them the first time)
	@[ -d build/peers ] || .ci/uv pip install --quiet --python $(bin)/python --target build/peers mlflow-skinny alembic \
	    pymerkle || echo "bench: without MLflow and pymerkle, which could not be fetched"
	$(bin)/python -m tests.bench.run

faults: setup  ## kill, EIO, ENOSPC and loss of power at every write (SCENE=append or SCENE=power=append for one)
	$(bin)/python -m tests.faults $(SCENE)

fuzz: setup  ## feed the parsers by coverage, with atheris (SECONDS=30 for each, TARGET=note for one)
	@[ build/fuzz/atheris/ready -nt tests/fuzz/fuzz.lock ] || { rm -rf build/fuzz/atheris && .ci/uv pip install --quiet \
	    --python $(bin)/python --target build/fuzz/atheris --require-hashes -r tests/fuzz/fuzz.lock && \
	    touch build/fuzz/atheris/ready; }
	PYTHONPATH=build/fuzz/atheris $(bin)/python -m tests.fuzz --seconds $(or $(SECONDS),30) $(TARGET)

fuzz-sql: setup  ## look for queries whose lineage denies what moves an output (SECONDS=60, SEED=0 to begin at)
	$(bin)/python -m tests.sql_fuzz --seconds $(or $(SECONDS),60) --seed $(or $(SEED),0)

fuzz-plans: setup  ## look for polars plans whose lineage denies what moves an output (COUNT=10000, SEED=0 to begin at)
	$(bin)/python -m tests.random_plans $(or $(SEED),0) $(or $(COUNT),10000)

spark: setup  ## the same fingerprint on Spark, on a local cluster (needs Java; fetches 480 MB the first time)
	@[ -d build/spark/site ] || .ci/uv pip install --quiet --python $(bin)/python --target build/spark/site 'pyspark>=4'
	PYTHONPATH=build/spark/site $(bin)/pytest tests/spark/on_spark.py

azure: setup  ## what Azure's storage tells of an object, asked of its emulator (needs Node.js; fetches 365 MB at first)
	@[ -d build/azurite/node_modules/azurite ] || npm install --silent --no-audit --no-fund --ignore-scripts \
	    --prefix build/azurite azurite@3
	$(bin)/pytest tests/azure/on_azurite.py

docs: setup  ## run what the README and the documentation show
	$(bin)/pytest tests/test_readme.py tests/test_docs.py

lowest: setup  ## run the tests with the lowest versions that pyproject.toml allows, in build/lowest (TESTS=... for some)
	.ci/lowest $(TESTS)

lock: setup  ## bring requirements.lock up to date with pyproject.toml (UPGRADE=1 takes newer releases)
	.ci/uv pip compile pyproject.toml --universal --generate-hashes --all-extras --group dev --quiet \
	    --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	.ci/uv pip compile tests/fuzz/fuzz.in --universal --python-version 3.11 --generate-hashes --quiet \
	    --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) --output-file tests/fuzz/fuzz.lock

wheel: setup  ## build the sdist, and the wheel from it, in dist/
	.ci/uv build --no-build-isolation --python $(bin)/python --out-dir dist --clear

test-wheel: wheel  ## install the wheel into a clean environment and test it from another folder
	@.ci/test-wheel

clean:  ## remove everything that the targets made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find affidavit audit registry reports tests -name __pycache__ -type d -prune -exec rm -rf {} +
