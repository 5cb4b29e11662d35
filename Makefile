# Two commands: `make train` and `make test`. Each makes what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= test

.PHONY: train test lint clean

train: .venv/train
	$(BIN)/handgrad train

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

.venv/train: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[plot]'
	@touch $@

.venv/test: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS)]'
	@touch $@

clean:
	rm -rf .venv out build dist
