# Two commands: `make train` and `make test`. Each makes what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= test
BUILT_FROM := pyproject.toml $(wildcard native/*)

.PHONY: train test native clean

train: .venv/train
	$(BIN)/handgrad train

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The native library alone, what has changed of it, into its place in the editable install.
native: .venv/test
	cmake -S native -B build/native
	cmake --build build/native --parallel
	cmake --install build/native --prefix \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
	$(BIN)/python -c 'import sys; from handgrad.compile.schema import write; write(sys.argv[1])' \
		"$$(ls build/native/_handgrad.*)"

.venv/train: $(BUILT_FROM)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[plot]'
	@touch $@

.venv/test: $(BUILT_FROM)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv out build dist
