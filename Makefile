# Serval. `make` lists what there is to run.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
ENVIRONMENTS := build/environments
# Of `make deploy`.
STAGE ?= prod
GROUPS := laptop cli clients exporters platform checkov sagemaker worker worker-cuda lambda-client layer-inference layer-control layer-sdk layer-verification layer-batch layer-tasks
# On a terminal uv and npm show how far they are; elsewhere each step says what it takes.
QUIET := $(shell [ -t 2 ] || echo --quiet)
INSTALL = $(UV) pip sync $(QUIET) --require-hashes --compile-bytecode
packages = $$(grep -c '==' requirements/$(1).txt) packages

export CDK_DISABLE_CLI_TELEMETRY := true
export CDK_DISABLE_VERSION_CHECK := 1
# The project's environments carry byte-code, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+)[^:]*:.*## /  make \1\t/' | expand -t 24

.PHONY: setup
setup: build/stamps/laptop build/stamps/node build/environments/platform/.stamp build/environments/checkov/.stamp build/environments/functions/.stamp build/environments/worker/.stamp  ## create the environments from the lock files

$(UV): requirements/uv.txt
	@echo "· python environment ($(VENV))"
	@$(PYTHON) -c 'import sys; sys.exit("Serval needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

build/stamps/laptop: requirements/laptop.txt pyproject.toml | $(UV)
	@echo "· laptop packages: CLI, CDK, model export, tests ($(call packages,laptop): the longest step, a minute or two)"
	@$(INSTALL) --python $(BIN)/python requirements/laptop.txt requirements/uv.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
	@mkdir -p $(@D) && touch $@

build/environments/%/.stamp: requirements/%.txt | $(UV)
	@echo "· environment of its own: $* ($(call packages,$*))"
	@$(UV) venv --quiet --clear --python $(BIN)/python build/environments/$*
	@$(INSTALL) --python build/environments/$*/bin/python $<
	@touch $@

# Lambda's runtime brings an SDK of its own; here it brings none, so what a function uses is in its layers.
build/environments/functions/.stamp: | $(UV)
	@echo "· environment of its own: functions"
	@$(UV) venv --quiet --clear --python $(BIN)/python build/environments/functions
	@touch $@

build/stamps/node: package.json package-lock.json
	@echo "· CDK CLI and the Node that jsii runs on"
	@npm ci --no-audit --no-fund $(if $(QUIET),--silent,--loglevel=error)
	@mkdir -p $(@D) && touch $@

# Those in models/not-deployed are built by hand: each README says how.
MODELS := $(patsubst models/%/build.py,%,$(wildcard models/*/build.py))
LIGHT := $(filter-out $(shell grep -l 'target: fleet' models/*/model.yaml | cut -d/ -f2),$(MODELS))
GOLDEN := $(patsubst models/%/model.yaml,%,$(shell grep -l '^golden:' models/*/model.yaml))
# What `make demo` pushes, and what it says to push next.
DEMO_MODELS := iris digits
built = $(1:%=models/%/model.onnx) $(patsubst %,models/%/golden.jsonl,$(filter $(GOLDEN),$(1)))

.PHONY: models
models: $(call built,$(MODELS))  ## train and export the example models that are out of date (textgen: a minute)

.SECONDEXPANSION:
models/%/model.onnx models/%/golden.jsonl: $$(wildcard models/$$*/*.py models/*.py) build/stamps/laptop
	@$(BIN)/python models/$*/build.py

.PHONY: lock
lock: | $(UV)  ## resolve every group again into requirements/
	@for group in $(GROUPS); do \
	  echo "· $$group"; \
	  extra=""; case $$group in laptop | cli | exporters) extra="pyproject.toml --extra cli";; esac; \
	  $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	    --custom-compile-command 'make lock' $$extra --group $$group -o requirements/$$group.txt; \
	done
	@echo uv > build/uv.in; $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --custom-compile-command 'make lock' --no-annotate build/uv.in -o requirements/uv.txt

.PHONY: images
images: build/environments/sagemaker/.stamp  ## write stacks/fleets/server_images.json anew; installs the SageMaker SDK (300 MB)
	@build/environments/sagemaker/bin/python -W ignore -m stacks.fleets.server_images

# The builder itself sees what changed; a second run takes a tenth of a second.
.PHONY: layers layers-local
layers layers-local: build/stamps/laptop  ## build the layers for this machine
	@echo "· layers for this machine, unzipped MB of the limit"
	@$(BIN)/python -m layers.dependencies.build --variant local

# What is deployed runs on arm64; `serval deploy` builds these itself.
.PHONY: layers-aws
layers-aws: build/stamps/laptop build/stamps/node  ## build the layers for AWS too
	@echo "· layers: trimmed wheels and byte-code, unzipped MB of the limit"
	@$(BIN)/python -m layers.dependencies.build

# A worker for each core, and one for each stage: tests/at_once.py has which tests share one.
AT_ONCE := --numprocesses auto --dist loadfile

.PHONY: check
check: build/stamps/laptop build/stamps/node build/environments/checkov/.stamp build/environments/platform/.stamp  ## format, lint, types of Python and TypeScript, dead code, names; the templates, by our tests and by asl-validator, checkov, cfn-lint, cdk-nag and AWS's limits
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/vulture
	@npx openapi-typescript docs/openapi.json --output build/typescript/serval.d.ts > build/typescript.log
	@npx tsc --project docs/typescript
	@$(BIN)/python -m pytest --quiet -p no:cacheprovider tests/house
	@$(BIN)/python -m pytest --quiet -p no:cacheprovider $(AT_ONCE) tests/stacks

.PHONY: fast
fast: setup layers-aws models  ## unit, functional and house tests: offline, no credentials, without the slow ones
	@$(BIN)/python -m pytest $(AT_ONCE) -m "not slow" tests/unit tests/functional tests/house

# Two runs at once: each of their workers collects every test of its run, which takes seconds.
.PHONY: test test-stages test-here test-soak
test: setup layers-aws models build/environments/clients/.stamp build/environments/cli/.stamp  ## every test that neither `make check` nor `make test-soak` runs, the running platform included
	@$(MAKE) --jobs 2 test-stages test-here

test-stages:  ## the part of `make test` that runs on stages, once what it needs is built
	@$(BIN)/python -m pytest $(AT_ONCE) -m "not soak" tests/local

test-here:  ## the other part, likewise
	@$(BIN)/python -m pytest $(AT_ONCE) tests/faults tests/functional tests/stateful tests/tasks tests/unit

test-soak: setup layers-aws models  ## what strikes, floods or fuzzes a stage, and every page's shell blocks, typed: once, while `make soak` does it at length
	@$(BIN)/python -m pytest $(AT_ONCE) -m soak tests/docs tests/local

SEED := $(shell date +%s)
.PHONY: soak
soak: setup layers-aws models  ## stateful machines and properties for long, ten thousand mutated inputs for every parser, 100,000 mutated events, 2,000 odd files of each format for batch jobs: minutes
	@echo "· seed $(SEED): make soak SEED=$(SEED) does the same again"
	@SERVAL_SOAK=20 $(BIN)/python -m pytest $(AT_ONCE) --hypothesis-seed=$(SEED) tests/stateful tests/faults/test_durable_pipelines.py
	@SERVAL_SOAK=20 $(BIN)/python -m pytest $(AT_ONCE) --hypothesis-seed=$(SEED) -m hypothesis tests/unit tests/functional
	@$(BIN)/python -m pytest $(AT_ONCE) tests/soak
	@SERVAL_SOAK=20 $(BIN)/python -m pytest $(AT_ONCE) -m soak tests/local
	@SERVAL_SOAK=20 $(BIN)/python -m pytest $(AT_ONCE) tests/local/test_batch.py
	@$(BIN)/python -m tests.mutations
	@$(BIN)/python -m tests.odd_files

build/exporters/.stamp: $(wildcard tests/exporters/exporting/*.py) build/environments/exporters/.stamp
	@echo "· models of every exporter"
	@build/environments/exporters/bin/python -m tests.exporters.exporting build/exporters
	@touch $@

.PHONY: exporters
exporters: setup layers build/exporters/.stamp  ## models of scikit-learn, boosted trees, PyTorch, TensorFlow, Keras and transformers: init, push, same answers (9 GB of packages)
	@$(BIN)/python -m pytest tests/exporters

.PHONY: tasks
tasks: build/environments/exporters/.stamp  ## record the answers of transformers' pipelines anew; needs the exporters' environment (9 GB of packages)
	@build/environments/exporters/bin/python -m tests.tasks.recording

.PHONY: demo
demo: setup layers $(call built,$(DEMO_MODELS))  ## the main job on the embedded platform, from nothing; waits only for the models it uses
	@$(BIN)/python -m serval_cli.demo

.PHONY: smoke
smoke: setup layers $(call built,iris)  ## every flow once, on a stage made for it on this machine
	@bash docs/cloud-smoke.sh --stage local

.PHONY: bench
bench: setup layers-aws models build/environments/lambda-client/.stamp build/environments/clients/.stamp  ## benchmarks; each prints its own table
	@$(BIN)/python -m benchmarks.infer
	@$(BIN)/python -m benchmarks.pipelines
	@$(BIN)/python -m benchmarks.protocols
	@$(BIN)/python -m benchmarks.cold_start
	@$(BIN)/python -m benchmarks.forms
	@$(BIN)/python -m benchmarks.http
	@$(BIN)/python -m benchmarks.worker
	@$(BIN)/python -m benchmarks.streams
	@$(BIN)/python -m benchmarks.http_streams
	@$(BIN)/python -m benchmarks.rollout_policy
	@$(BIN)/python -m benchmarks.shard
	@$(BIN)/python -m benchmarks.tasks
	@$(BIN)/python -m benchmarks.task_shard
	@$(BIN)/python -m benchmarks.stage

.PHONY: synth
synth: setup layers-aws  ## write the CloudFormation templates of the real stage; no credentials, no network
	@npx cdk synth --quiet

.PHONY: deploy
deploy: setup $(call built,$(LIGHT))  ## deploy the light examples to your AWS account, once you have seen what that means
	@$(BIN)/serval deploy --stage $(STAGE)

.PHONY: pr
pr: check test test-soak  ## everything a pull request must pass

.PHONY: clean
clean:  ## remove what is built; environments and locks stay
	@rm -rf build/layers build/demo cdk.out .pytest_cache .mypy_cache .ruff_cache .hypothesis
