"""The order of the house: rooms, budgets, imports, names."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "handgrad"
ROOMS = {
    "arrays": 0, "attributes": 0, "foreign": 0, "pictures": 0, "protocols": 0,
    "renamed": 0, "warn": 0,
    "inside": 1, "naming": 1, "engines": 1, "tensor": 1, "differences": 2, "layer": 2, "layers": 3,
    "subject": 3, "findings": 3, "derivative": 3, "network": 4,
    "parallel": 4, "prove": 4, "optim": 4, "attribution": 5, "optimcheck": 5, "compile": 5,
    "train": 6, "book": 7,
    "explain": 7, "plots": 7,
    "datasets": 7, "interop": 7, "metrics": 7, "stream": 7, "terminal": 7, "testing": 7,
    "onnx": 8, "report": 8, "searching": 8,
    "cli": 9, "sklearn": 9, "__main__": 10, "__init__": 10,
}  # fmt: skip
PARTNERS = {
    "cupy", "matplotlib", "PIL", "torch", "jax", "sklearn", "onnx", "onnxruntime", "mpi4py",
    "pandas", "pyarrow", "pytest", "h5py", "joblib",
    "tqdm",  # a base dependency, but slow to import
}  # fmt: skip
BASE = {"numpy", "safetensors", "tqdm", "click"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def imported(node: ast.AST) -> list[str]:
    """The modules that an import statement names, handgrad's as far as files go."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        deeper = [f"{node.module}.{alias.name}" for alias in node.names]
        return [d if d in MODULES else node.module for d in deeper]
    return []


class Read:
    """What the tests ask of a file, without its tree, which is large.

    imports: what is imported inside functions (True) and outside; lengths: of its functions
    without their docstrings, and of its classes.
    """

    def __init__(self, path: Path):
        self.imports: dict[bool, set[str]] = {True: set(), False: set()}
        self.lengths: list[tuple[type, str, int]] = []
        for node, inner in _statements(ast.parse(path.read_text())):
            self.imports[inner].update(imported(node))
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                length = node.end_lineno - node.lineno + 1
                if isinstance(node, ast.FunctionDef):
                    length -= (ast.get_docstring(node, clean=False) or "").count("\n")
                self.lengths.append((type(node), node.name, length))


def _statements(node: ast.AST, inner: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Each statement below a node, and whether it is inside a function."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in getattr(node, field, ()):
            yield child, inner
            yield from _statements(child, inner or isinstance(child, ast.FunctionDef))


read = cache(Read)


def imports(path: Path, *, inside_functions: bool) -> set[str]:
    return read(path).imports[inside_functions]


def test_the_rooms_are_those_that_have_code():
    assert set(ROOMS) == {room_of(path) for path in FILES}


def test_a_room_imports_only_lower_rooms():
    wrong = []
    for path in FILES:
        for name in imports(path, inside_functions=False):
            room = [*name.split("."), "__init__"][1]
            # The direction inside a room is tested below.
            if name.startswith("handgrad") and room != room_of(path):
                here = ROOMS[room_of(path)]
                wrong += [f"{path} (room {here}) imports {name}"] * (ROOMS[room] >= here)
    assert wrong == []


def test_files_inside_a_room_import_in_one_direction():
    graph = {module_of(p): {n for n in imports(p, inside_functions=False)
                            if n.startswith("handgrad.")} for p in FILES}  # fmt: skip
    done: set[str] = set()
    open_: list[str] = []

    def visit(module: str) -> None:
        assert module not in open_, f"a circle: {' -> '.join([*open_, module])}"
        if module in done or module not in graph:
            return
        open_.append(module)
        for other in sorted(graph[module] - {module}):
            visit(other)
        open_.pop()
        done.add(module)

    for module in graph:
        visit(module)


def test_only_optional_partners_are_imported_inside_functions():
    wrong = []
    for path in FILES:
        inside = imports(path, inside_functions=True)
        wrong += [f"{n} in a function of {path}" for n in inside if n.split(".")[0] not in PARTNERS]
        plugin = {"pytest"} if path.name == "plugin.py" else set()  # which pytest itself imports
        if room_of(path) == "sklearn":  # for scikit-learn alone, and what it brings along
            plugin = {"joblib", "sklearn", "scipy"}
        known = BASE | plugin | {"handgrad"} | sys.stdlib_module_names
        outside = {name.split(".")[0] for name in imports(path, inside_functions=False)}
        wrong += [f"{name} in {path}" for name in outside - known]
    assert wrong == []


def over_budget(path: Path) -> Iterator[str]:
    """What is longer than it may be: a file, a line, a function, a layer."""
    lines = path.read_text().splitlines()
    if len(lines) > 400:
        yield f"{len(lines)} lines"
    yield from (f"a line of {len(line)}: {line}" for line in lines if len(line) > 100)
    limits = {ast.FunctionDef: 50} | ({ast.ClassDef: 60} if room_of(path) == "layers" else {})
    for kind, name, length in read(path).lengths:
        if length > limits.get(kind, length):
            yield f"{name}: {length} lines"


def test_budgets():
    assert [f"{path}: {what}" for path in FILES for what in over_budget(path)] == []


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_import_brings_in_no_optional_partner():
    loaded = run("import sys, handgrad; print(*sys.modules)").split()
    assert not PARTNERS & set(loaded)
    assert "handgrad.prove" not in loaded  # imported when used


def test_import_brings_in_little_beside_numpy():
    code = "import sys, numpy; before = {*sys.modules}; import handgrad; "
    added = run(code + "print(*sys.modules.keys() - before)").split()
    own = [name for name in added if name.startswith("handgrad")]
    assert len(own) <= 100
    installed = ("_", "importlib")  # also an editable install's own
    others = {name for name in added if name not in own and not name.startswith(installed)}
    assert others <= {"copy", "dataclasses", "difflib", "heapq", "string"}


def test_rooms_and_their_names_are_there_when_asked_for():
    out = run("import handgrad; print(handgrad.train.fit is handgrad.fit, handgrad.prove.check)")
    assert out.startswith("True <function check")


def test_import_leaves_the_float_flags_alone():
    out = run("import handgrad, numpy; print(numpy.finfo(numpy.float32).smallest_subnormal > 0)")
    assert out.strip() == "True"


def test_every_public_name_exists_and_has_a_docstring():
    import handgrad

    for name in handgrad.__all__:
        thing = getattr(handgrad, name)
        assert name == "__version__" or thing.__doc__, name


def test_the_installed_package_is_small():
    size = sum(p.stat().st_size for p in PACKAGE.rglob("*") if p.suffix != ".pyc" and p.is_file())
    assert size <= 5_000_000


def test_base_dependencies():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {d.split(">")[0] for d in project["dependencies"]} == BASE
