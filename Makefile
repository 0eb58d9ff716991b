# edgekit: `make demo` runs the main job on real data, `make test` passes the tests. Both install what they need.

PYTHON      ?= python3
VENV        ?= .venv
# The CPU build of PyTorch: a plain `torch` pulls gigabytes of CUDA. TORCH_INDEX names an extra wheel index, for example the
# CPU index of pytorch.org; TORCH_SPEC another version or a wheel file.
TORCH_SPEC  ?= torch==2.13.0
TORCH_INDEX ?=

BIN     := $(VENV)/bin
STAMPS  := $(VENV)/.stamps
DATA    := .cache/fashion-mnist/usr/share/datasets/fashion-mnist
PIP     := $(BIN)/python -m pip --disable-pip-version-check
# What the virtual board and the browser tests need from Debian/Ubuntu. Without them the demo runs on this machine only.
BOARD_PACKAGES := qemu-user-static binfmt-support mmdebstrap arch-test openssh-server openssh-client
# What the C needs: a compiler for this machine, one for Cortex-M, and an emulator of it.
C_PACKAGES     := gcc libc6-dev gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm
TEST_PACKAGES  := $(BOARD_PACKAGES) $(C_PACKAGES) cmake make busybox chromium

.PHONY: demo demo-c test test-slow test-pythons bench bench-c bench-native bench-conversion check docs setup data speech board-packages c-packages native-libraries test-packages clean

demo: setup data speech board-packages          ## train, convert, profile, deploy to a virtual Raspberry Pi 4, benchmark, report
	$(BIN)/python examples/demo.py

demo-c: setup data board-packages c-packages native-libraries  ## models as C: on emulated microcontrollers, and on a virtual Raspberry Pi Zero W
	$(BIN)/python examples/demo_c.py

test: setup data test-packages native-libraries   ## everything but the slow sweeps
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

test-slow: setup data test-packages native-libraries   ## example trainings, long fuzzing, other Python versions
	$(BIN)/python -m pytest -m slow

# The other Python versions run everything that needs neither PyTorch nor the board.
PYTHONS ?= python3.10 python3.12 python3.13

test-pythons:                            ## the tests without PyTorch, on each version of PYTHONS that is here
	@for python in $(PYTHONS); do \
	    $$python -c '' 2>/dev/null || { echo "== $$python is not here: skipped"; continue; }; \
	    echo "== $$python"; \
	    test -d .venv-$$python || $$python -m venv .venv-$$python || exit 1; \
	    .venv-$$python/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[tflite,dev]" || exit 1; \
	    .venv-$$python/bin/python -m pytest -q -m "not slow and not torch and not board" || exit 1; \
	done

bench: setup data board-packages         ## tables in benchmarks/ as Markdown and JSON
	$(BIN)/python benchmarks/first_light.py
	$(BIN)/python benchmarks/runtime_memory.py

# MLPERF_TINY is a folder with ic, kws, vww and ad as .tflite, .in and .out (benchmarks/microcontrollers.py says what they are).
MLPERF_TINY ?=

bench-c: setup c-packages                ## the C of the MLPerf Tiny models on an emulated Cortex-M4
	$(BIN)/python benchmarks/microcontrollers.py $(MLPERF_TINY)

bench-native: setup data board-packages c-packages   ## the native runtime beside ONNX Runtime and LiteRT: bytes, instructions, memory
	@sh tools/apt_install.sh qemu-user e2fsprogs
	$(BIN)/python benchmarks/native.py

# Installs litert-torch, onnx2tf and onnxruntime in environments of their own (several GB); about half an hour.
bench-conversion: setup                  ## conversion beside other tools: seconds, memory, bytes, scores
	$(BIN)/python benchmarks/conversion.py

check: setup                             ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup                              ## docs/operators.md from the tables of operators
	$(BIN)/python tools/write_operators_page.py

setup: $(STAMPS)/python

$(STAMPS)/python: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "edgekit needs Python 3.10 or newer; set PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh tools/apt_install.sh --required python3-venv
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet "$(TORCH_SPEC)" $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)")
	$(PIP) install --quiet --editable ".[torch,tflite,native,dev]"
	@mkdir -p $(STAMPS) && touch $@

data: $(DATA)

$(DATA):
	sh tools/apt_unpack.sh dataset-fashion-mnist .cache/fashion-mnist

speech: .cache/alsa-utils

.cache/alsa-utils:
	sh tools/apt_unpack.sh alsa-utils $@

board-packages:
	@sh tools/apt_install.sh $(BOARD_PACKAGES)

c-packages:
	@sh tools/apt_install.sh $(C_PACKAGES)

native-libraries: setup                  ## what native builds need of each board's C library: compiled once
	$(BIN)/python tools/build_libc.py

test-packages:
	@sh tools/apt_install.sh $(if $(CI),--required) $(TEST_PACKAGES)

clean:
	rm -rf $(VENV) .cache build dist examples/*/build
