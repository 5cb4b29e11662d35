"""`handgrad check FILE.py` on files as learners write them."""

import os
import random
import re
import sys
import threading

import numpy as np
import pytest

from handgrad.testing.discover import discover
from handgrad.testing.formats import to_text
from tests.testing.learner_files import FILES


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_learners(name, tmp_path):
    expected, source = FILES[name]
    if "import torch" in source:
        pytest.importorskip("torch", reason="PyTorch is not installed")
    path = tmp_path / "mine.py"
    path.write_text(source)
    found = {one.name: one for one in discover(path)}
    assert list(found) == [subject for subject, *_ in expected]
    for subject, verdict, *words in expected:
        text = " ".join(to_text([found[subject]]).split())
        assert found[subject].verdict == verdict, text
        assert all(word in text for word in words), text
        if verdict == "right":
            (source,) = [n for n in found[subject].report.notes if n.startswith("inputs ")]
            shapes = re.findall(r"\((.*?)\)", source)
            assert any("," in shape.rstrip(",") for shape in shapes) or "only numbers" in text


HARM = """
import os
import random
import numpy as np
import threading

np.random.seed(1)
random.seed(1)

class Forks:
    def forward(self, x):
        if os.fork() == 0:
            np.random.seed(2)
        input("which factor? ")
        return 2 * x

    def backward(self, dy):
        return 2 * dy

samples = {"Forks": np.ones((2, 3))}
"""


def test_the_process_is_as_it_was(tmp_path):
    (tmp_path / "mine.py").write_text(HARM)
    np.random.seed(5)
    random.seed(5)
    before, threads = (os.getpid(), sys.stdin), set(threading.enumerate())
    state, own = np.random.get_state()[1].copy(), random.getstate()
    texts = {to_text(discover(tmp_path / "mine.py")) for _ in range(2)}
    assert (os.getpid(), sys.stdin) == before
    assert set(threading.enumerate()) <= threads
    assert (np.random.get_state()[1] == state).all()
    assert random.getstate() == own
    (text,) = texts
    assert "it reads input(), and a check asks nobody" in " ".join(text.split())
    assert "started processes" in text


def test_a_function_of_jax_with_a_rule_of_its_own_is_a_subject(tmp_path):
    pytest.importorskip("jax", reason="JAX is not installed")
    from handgrad.testing.discover import _subjects
    from handgrad.train.module import load_module

    path = tmp_path / "mine.py"
    path.write_text(
        "import jax\n\n@jax.custom_vjp\ndef double(x):\n    return 2 * x\n\n"
        "double.defvjp(lambda x: (2 * x, None), lambda res, g: (2 * g,))\n"
    )
    assert [name for name, _ in _subjects(load_module(path))] == ["double"]
