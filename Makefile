# Every target sets up what it needs; `make test` and `make demo` work first, alone.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
NETWORKS := build/networks
READY := $(VENV)/ready
READY_BENCH := $(VENV)/ready-bench
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
COMPILE_LOCK := uv pip compile pyproject.toml --python-version 3.11 \
    --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --no-annotate \
    --no-emit-index-url --quiet

.PHONY: demo test test-networks lint check format bless bench bench-quick bench-kernels \
    bench-compilers bench-scale networks size lock clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python -m pytest

# Every benchmark network, compiled in both precisions and compared with ONNX Runtime.
test-networks: $(READY)
	$(BIN)/python -m pytest -m "slow or not slow" tests/models/test_bench_networks.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

format: $(READY)
	$(BIN)/ruff format .

check: format lint test

# Rewrites the expected part of the text tests; review the difference before committing it.
bless: $(READY)
	$(BIN)/python -m pytest --bless

networks: $(NETWORKS)/made

# Half an hour on a quiet machine; tables to stdout, every time to the JSON file.
bench: $(READY_BENCH) $(NETWORKS)/made
	$(BIN)/python bench/peers.py --json build/bench.json
	$(BIN)/python bench/peers.py resnet50 bert-base --batch 8 32 --json build/bench-batch.json

# Less than two minutes, and only as good as that.
bench-quick: $(READY_BENCH) $(NETWORKS)/made
	$(BIN)/python bench/peers.py mobilenetv2 minilm yunet-n-dynamic magika-v3.3 ultraface-rfb320 \
	    --starts 2 --rounds 3 --seconds 0.05 --json build/bench-quick.json

# Every contraction of the networks beside the peak of this machine, measured in the same run.
bench-kernels: $(READY) $(NETWORKS)/made
	$(BIN)/python bench/kernels.py

# Beside IREE's compiler, where the extra `iree` is installed.
bench-compilers: $(READY) $(NETWORKS)/made
	$(BIN)/python bench/compilers.py

# Needs 10 GB of disk for a while.
bench-scale: $(READY)
	$(BIN)/python bench/scale.py

size: $(READY)
	$(BIN)/python .ci/size.py

# Needs `uv`; the locks hold exact versions and hashes for Python 3.11-3.13 on linux x86_64.
lock:
	$(COMPILE_LOCK) --extra dev --output-file requirements.lock
	$(COMPILE_LOCK) --extra dev --extra bench --output-file requirements-bench.lock

clean:
	rm -rf build dist ncc.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

$(NETWORKS)/made: bench/networks.py $(wildcard bench/nets/*.py) | $(READY)
	$(BIN)/python bench/networks.py $(NETWORKS)
	touch $@

$(READY_BENCH): $(READY) requirements-bench.lock
	$(PIP) install --require-hashes -r requirements-bench.lock
	touch $@
