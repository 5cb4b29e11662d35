"""The kernels' schema: the file, the library, rows by keyword, and a form that is added."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handgrad.compile import binary, schema
from handgrad.compile.builder import Row
from handgrad.compile.native import SpecError
from handgrad.compile.values import Address, BatchDim
from tests.compile.rows import run

ROOT = Path(__file__).parents[2]
COPY = {"count": 4, "x": Address("a"), "y": Address("a")}


def test_the_file_is_what_the_library_says():
    text = schema.PATH.read_text("ascii")
    assert schema.text_of(binary.library()._name) == text
    assert binary.library().hg_abi() == schema.hash_of(text)


def test_arguments_are_in_the_kernels_order_and_have_defaults():
    row = Row("softmax", {"factor": 0.5, "y": Address("y"), "x": Address("x"),
                          "length": 7, "rows": BatchDim(2)})  # fmt: skip
    assert list(row.args) == ["rows", "length", "x", "y", "log", "queries", "factor"]
    assert (row["log"], row["rows"], row["factor"]) == (False, BatchDim(2), 0.5)
    assert Row("copy", COPY).form.samples is False
    assert str(Row("copy", COPY)) == "copy(count=4, x=a[0], y=a[0])"


@pytest.mark.parametrize(
    ("kernel", "args", "words"),
    [
        ("copy", {"count": 4, "x": None}, "kernel copy needs y; it takes count, x, y"),
        ("copy", {**COPY, "z": 1}, "kernel copy has no argument z; it takes count, x, y"),
        ("copi", COPY, "there is no kernel 'copi'; there are"),
        ("reduce", {"outer": 1, "count": 1, "inner": 1, "x": None, "y": None, "reduction": "min"},
         "kernel reduce: reduction is 'min', not one of sum, mean, max"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(kernel, args, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        Row(kernel, args)
    with pytest.raises(ValueError, match="has no argument z"):
        Row("copy", COPY).set(z=1)


def test_a_row_that_leaves_its_memory_is_refused_by_the_arguments_name():
    x, y = np.zeros(5, np.float32), np.zeros(4, np.float32)
    with pytest.raises(SpecError, match=r"reaches beyond its segment \(y\)"):
        run("copy", count=5, x=x, y=y)
    with pytest.raises(SpecError, match=r"must not depend on the batch \(each\)"):
        run("step_loss", count=4, each=BatchDim(1), terms=x, losses=np.zeros(4096, np.float32))


def test_a_library_with_other_kernels_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "schema.txt"
    text = schema.PATH.read_text("ascii")
    other.write_text(text, "ascii")
    monkeypatch.setattr(schema, "PATH", other)
    assert binary._load.__wrapped__()[1] == ""
    assert "scores read" in text
    other.write_text(text.replace("scores read", "points read"), "ascii")
    library, why = binary._load.__wrapped__()
    assert library is None
    assert "of another version, with other kernels or arguments" in why
    assert "\n" not in why


# -- the example of CONTRIBUTING.md ------------------------------------------------------------

CORE = "check", "threads", "program", "schema", "stage", "dispatch", "kernels"
FAMILIES = "memory", "elementwise", "layout", "reduce", "square"
X86 = os.uname().machine in ("x86_64", "amd64")
MARCH = ["-march=x86-64-v3", "-DHG_v3"] if X86 else []  # as CMakeLists.txt says it
USE = """
import sys

sys.meta_path[:] = [f for f in sys.meta_path if isinstance(f, type)]  # not an editable install's

import numpy as np
import handgrad as hg
from handgrad.compile import compile_prediction, why_not
from handgrad.layers import Square
from tests.compile.eager import require_equal

assert not why_not(), why_not()

class Squares(hg.Network):
    def __init__(self):
        super().__init__()
        self.w = hg.Parameter(np.array([0.5, -1.0, 2.0], np.float32))

    def __call__(self, x):
        return Square()(x * self.w)

x = np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32)
network = hg.Sequential(Square())
program = compile_prediction(network.build(x), x, batch=9)
assert "square" in str(program), program
np.testing.assert_array_equal(program(x), x * x)
require_equal(Squares(), x)
"""


def examples() -> tuple[str, str, str]:
    """The layer, the kernel and the lowering of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    blocks = re.findall(r"^ *```(?:cpp|python)\n(.*?)^ *```", text, re.S | re.M)
    layer, kernel, lowering = (next(b for b in blocks if word in b) for word in (
        "class Square(Layer)", "square_kernels()", "class LowerSquare"))  # fmt: skip
    return re.sub("^   ", "", layer, flags=re.M), kernel, lowering


def compiled(folder: Path, kernel: str) -> Path:
    """A library of a few families and the new one, as CMake would make it."""
    native = folder / "native"
    shutil.copytree(ROOT / "native", native, ignore=shutil.ignore_patterns("tests"))
    (native / "square.cpp").write_text(kernel, "utf-8")
    (native / "families.inc").write_text("".join(f"FAMILY({name})\n" for name in FAMILIES))
    flags = ["-std=c++20", "-O0", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]

    def build(name: str) -> str:
        made = str(native / f"{name}.o")
        command = ["c++", *flags, *MARCH, "-c", str(native / f"{name}.cpp"), "-o", made]
        subprocess.run(command, check=True, timeout=3000)
        return made

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(build, (*CORE, *FAMILIES)))
    library = folder / "library.so"
    subprocess.run(["c++", "-shared", "-pthread", *objects, "-o", str(library)], check=True)
    return library


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler")
def test_a_native_form_is_a_kernel_and_a_lowering(tmp_path):
    layer, kernel, lowering = examples()
    package = tmp_path / "handgrad"
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.dylib")
    shutil.copytree(ROOT / "handgrad", package, ignore=ignored)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    with (package / "layers" / "__init__.py").open("a") as layers:
        needed = "from handgrad.arrays import Array, as_float\nfrom handgrad.layer import Layer\n"
        print(needed, layer, sep="\n", file=layers)
    (package / "compile" / "lowering" / "square.py").write_text(lowering, "utf-8")
    library = compiled(tmp_path, kernel)
    (package / "compile" / "schema.txt").write_text(schema.text_of(library), "ascii")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "HANDGRAD_NATIVE": str(library)}
    command = [sys.executable, "-c", USE]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=600)
