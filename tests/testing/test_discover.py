"""A user's file: what is found in it, what it is given, and what is said when that fails."""

import textwrap

import numpy as np
import pytest

from handgrad.subject.sandbox import Sandbox
from handgrad.testing.discover import discover
from handgrad.testing.guess import documented_shapes
from handgrad.testing.search import FITS
from handgrad.testing.target import Target, Trial
from handgrad.train.module import load_module
from tests.prove.zoo.right import FAMILIES


@pytest.fixture
def write(tmp_path):
    def write(code):
        path = tmp_path / "mylayers.py"
        path.write_text("import numpy as np\n" + textwrap.dedent(code))
        return path

    return write


SIGMOID = """
    class Sigmoid:
        def forward(self, x):
            self.y = 1 / (1 + np.exp(-np.abs(x)))
            self.y = np.where(x >= 0, self.y, 1 - self.y)
            return self.y

        def backward(self, dy):
            return dy * self.y * (1 - self.y)
"""

AFFINE = """
    class Affine:
        def __init__(self, W, b):
            self.W, self.b = W, b

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.dW, self.db = self.x.T @ dout, dout
            return dout @ self.W.T
"""


def test_every_class_of_the_file_is_checked_in_order(write):
    found = discover(write(AFFINE + SIGMOID))
    assert [f.name for f in found] == ["Affine", "Sigmoid"]
    assert [f.report.verdict for f in found] == ["wrong", "right"]


def test_only_the_class_asked_for(write):
    assert [f.name for f in discover(write(AFFINE + SIGMOID), "Sigmoid")] == ["Sigmoid"]


def test_an_unknown_class_is_refused_with_the_known_ones(write):
    with pytest.raises(ValueError, match=r"no 'Tanh'.*there are: Affine, Sigmoid"):
        discover(write(AFFINE + SIGMOID), "Tanh")


def test_imported_classes_and_other_classes_are_left_alone(write):
    code = """
        from collections import OrderedDict

        class Helper:
            pass

        class Double:
            def forward(self, x): return 2 * x
            def backward(self, dy): return 2 * dy
    """
    assert [f.name for f in discover(write(code))] == ["Double"]


def test_a_base_class_is_not_a_subject(write):
    code = """
        class Base:
            def forward(self, x): raise NotImplementedError
            def backward(self, dy): raise NotImplementedError

        class Double(Base):
            def forward(self, x): return 2 * x
            def backward(self, dy): return 2 * dy
    """
    assert [f.name for f in discover(write(code))] == ["Double"]


def test_a_pair_of_functions_is_a_subject(write):
    code = """
        def affine_forward(x, w, b):
            return x @ w + b, (x, w)

        def affine_backward(dout, cache):
            x, w = cache
            return dout @ w.T, x.T @ dout, dout.sum(axis=0)

        samples = {"affine": (np.ones((3, 2)), np.ones((2, 4)), np.ones(4))}
    """
    (found,) = discover(write(code))
    assert found.name == "affine"
    assert found.report.verdict == "right"


POWER = """
    class Power:
        def __init__(self, exponent):
            self.exponent = exponent

        def forward(self, x):
            self.x = x
            return x ** self.exponent

        def backward(self, dy):
            return dy * self.exponent * self.x ** (self.exponent - 1)
"""


@pytest.mark.parametrize(
    "value",
    [
        "((3,), (np.array([1.0, -2.0]),))",
        "lambda: ((3,), (np.array([1.0, -2.0]),))",
    ],
)
def test_a_sample_gives_constructor_arguments_and_inputs(write, value):
    (found,) = discover(write(POWER + f'\n    samples = {{"Power": {value}}}'))
    assert found.report.verdict == "right"


def test_without_a_guess_the_sample_to_add_is_spelled_out(write):
    (found,) = discover(write(POWER.replace("return x **", "return x.nothing **")))
    assert found.report is None
    assert "has no attribute 'nothing'" in found.reason
    assert 'samples = {"Power": ((exponent,), (x,))}' in found.reason


@pytest.mark.parametrize(
    ("value", "right"), [("np.ones((2, 3))", True), ("(np.ones((2, 3)), np.ones((2, 3)))", False)]
)
def test_a_sample_of_one_input_may_stand_alone(write, value, right):
    (found,) = discover(write(SIGMOID + f'\n    samples = {{"Sigmoid": {value}}}'))
    assert (found.report.verdict == "right") == right


def test_a_sample_that_fails_is_said(write):
    (found,) = discover(write(SIGMOID + '\n    samples = {"Sigmoid": lambda: 1 / 0}'))
    assert found.report is None
    assert "ZeroDivisionError" in found.reason


def test_samples_of_another_kind_are_refused(write):
    with pytest.raises(ValueError, match=r"samples .* is list; it has to be a dict"):
        discover(write(SIGMOID + "\n    samples = []"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("class Broken(:", "SyntaxError"),
        ("x = 1", "defines no class with forward and backward"),
    ],
)
def test_a_file_that_does_not_work_is_refused_in_one_line(write, code, words):
    with pytest.raises(ValueError, match=words) as caught:
        discover(write(code))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        discover(tmp_path / "absent.py")


def test_files_beside_it_can_be_imported_and_the_path_is_left_as_it_was(tmp_path, write):
    import sys

    (tmp_path / "neighbour_of_mine.py").write_text("TWO = 2.0\n")
    before = list(sys.path)
    module = load_module(write("from neighbour_of_mine import TWO"))
    assert module.TWO == 2.0
    assert sys.path == before


def test_a_class_that_hangs_is_given_up(write, hang, monkeypatch):
    code = """
        class Slow:
            def forward(self, x):
                hang()
            def backward(self, dy):
                return dy

        samples = {"Slow": np.ones(3)}
    """
    monkeypatch.setattr("builtins.hang", hang, raising=False)
    (found,) = discover(write(code), timeout=2.5)
    assert found.report.verdict == "cannot tell"
    assert "forward did not return within 2.5 s" in found.report.paragraph


def test_shapes_are_read_from_docstrings():
    text = "Shapes: u (N, D), v (N, E), W (D, E), y (N,). q and k (N, T, D). M : array (2, D)"
    found = documented_shapes(text)
    assert found["u"] == (4, 3)
    assert found["W"] == (3, 2)
    assert found["q"] == found["k"] == (4, 5, 3)  # no two letters have one size
    assert found["M"] == (2, 3)
    assert found["y"] == (4,)


def test_documented_shapes_are_used(write):
    code = '''
        class Outer:
            """y[n] = u[n] W v[n]. Shapes: u (N, D), v (N, E), W (D, E), y (N,)."""

            def __init__(self, W):
                self.W = W

            def forward(self, u, v):
                self.u, self.v = u, v
                return ((u @ self.W) * v).sum(axis=1)

            def backward(self, dy):
                dy = dy[:, None]
                self.dW = (dy * self.u).T @ self.v
                return dy * (self.v @ self.W.T), dy * (self.u @ self.W)
    '''
    (found,) = discover(write(code))
    assert found.report.verdict == "right"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_plain_layers_need_no_sample(family):
    """The zoo's right layers, without their samples: inputs are found for every one."""
    for cls in family.SAMPLES:
        sandbox = Sandbox(timeout=5.0)
        trial = Trial(Target(cls.__name__, cls), sandbox)
        guess, hit = sandbox.run(lambda: trial.guess({}))  # noqa: B023
        assert hit.reached == FITS, cls.__name__
        outputs = cls(*guess.arguments).forward(*guess.inputs)
        several = isinstance(outputs, tuple)
        assert all(np.isfinite(y).all() for y in (outputs if several else (outputs,)))


def test_a_function_of_pytorch_is_a_subject(write):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    code = """
        import torch

        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                ctx.save_for_backward(x, y)
                return x * y

            @staticmethod
            def backward(ctx, g):
                x, y = ctx.saved_tensors
                return g * x, g * y
    """
    (found,) = discover(write(code))
    assert (found.name, found.report.cause) == ("Scale", "swapped_outputs")
