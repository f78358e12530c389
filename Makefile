# Two commands matter: `make demo` and `make test`. Each sets up all it needs below .venv; neither needs root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MINIO := v0.0.0-20260212201848-7aac2a2c5b7c
WEIGHTS := whisper_base

.PHONY: help setup minio weights demo test check lint types imports catalog-drift catalog fmt bench fuzz chaos lock reel clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Kadr needs Python 3.11, 3.12 or 3.13; this is `$(PYTHON) --version`. Name one: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(READY) ## the virtual environment with its pinned dependencies

weights: $(READY) ## model weights that are too large for the repository
	@$(BIN)/kadr models pull $(WEIGHTS)

demo: weights ## analyse the sample reel and say where to look
	$(BIN)/kadr analyze samples/reel.mp4 --profile full --out demo

up: weights ## the service on this machine: API, inbox, functions scaled from zero (Ctrl-C stops it)
	$(BIN)/kadr up

test: weights ## all tests, with line and branch coverage and its floor
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 2 --dist loadgroup
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

check: lint types imports catalog-drift ## what must hold of the code without running it

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

catalog-drift: $(READY)
	$(BIN)/python -m kadr.pipeline.catalogue --check

catalog: $(READY) ## write kadr/catalog.json anew from the declarations
	$(BIN)/python -m kadr.pipeline.catalogue

fmt: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: weights ## a ten-minute video: speed, where the time goes, chunked against unchunked
	$(BIN)/python tests/bench/long_video.py

fuzz: $(READY) $(VENV)/fuzz ## damaged files of every container through the front door (N=2500), then our own formats
	PYTHONPATH=$(VENV)/fuzz $(BIN)/python tests/fuzz/run.py $(N) $(if $(SEED),--seed $(SEED))

chaos: weights ## all that can go wrong around a service, and 200 kills, while videos come in (SEED=…, KILLS=…, MINUTES=…)
	$(BIN)/python tests/chaos/run.py $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))

# Apart from the other packages: it has wheels for Linux on x86-64 only.
$(VENV)/fuzz: | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --target $@ 'atheris>=3,<4'

minio: $(BIN)/minio ## the MinIO server, from its source: five minutes with Go 1.24 or newer, nothing without

# Its community edition has no binaries any more. Tests that want it say so where it is not there.
$(BIN)/minio: | $(READY)
	@if command -v go >/dev/null; then \
	  GOBIN=$(CURDIR)/$(BIN) go install github.com/minio/minio@$(MINIO); \
	else \
	  echo "There is no Go here, so MinIO is not built and its tests are skipped. Go is at https://go.dev/dl/ or in apt's golang-go."; \
	fi

lock: $(READY) ## resolve requirements.lock anew from pyproject.toml (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --group dev --all-extras --override overrides.txt \
	  --no-header --quiet pyproject.toml -o requirements.lock

reel: $(READY) ## build samples/reel.mp4 anew from its sources
	$(BIN)/python samples/make_reel.py

clean: ## remove the virtual environment and the demo
	rm -rf $(VENV) demo
