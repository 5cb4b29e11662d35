"""Running scripts: imports, folders, pictures, pickles, options, and leaving all as it was."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from handgrad.book import run_script
from handgrad.book.common import layers, trainer

NEIGHBOUR = """
import sys, os
sys.path.append(os.pardir)
from common.layers import *
class Net:
    first = Affine(np.ones((2, 3)), np.zeros(3))
"""


def test_a_script_finds_its_neighbour_and_handgrads_layers(book, capsys):
    book.write("ch05/net.py", NEIGHBOUR)
    script = book.write(
        "ch05/use.py",
        "import sys, os\nsys.path.append(os.pardir)\nfrom net import Net\n"
        "import common.layers\nfrom ch05.net import Net as Again\n"
        "print(__name__, sys.argv[1:], os.path.basename(os.getcwd()))\n"
        "print(Net.first.__class__.__module__, common.layers.Affine is Net.first.__class__)\n",
    )
    run_script(script, ["a", "b"])
    out = capsys.readouterr().out.splitlines()
    assert out == ["__main__ ['a', 'b'] ch05", "handgrad.book.common.layers True"]


def test_a_module_of_another_chapter_finds_its_own_neighbours(book, capsys):
    book.write("ch07/part.py", "name = 'part'")
    book.write("ch07/whole.py", "from part import name")
    script = book.write("ch08/use.py", "from ch07.whole import name\nprint(name)")
    script.write_text("import sys\nsys.path.append('..')\n" + script.read_text())
    run_script(script)
    assert capsys.readouterr().out == "part\n"


def test_everything_is_as_before_afterwards(book):
    book.write("ch05/net.py", NEIGHBOUR)
    book.write("ch06/raises.py", "from ch05 import net")
    script = book.write("ch05/raises.py", "import net, common.util\nraise KeyError('x')")
    before = (
        os.getcwd(),
        list(sys.path),
        sys.argv,
        list(sys.meta_path),
        pickle.load,
        set(sys.modules),
    )
    with pytest.raises(KeyError):
        run_script(script)
    after = os.getcwd(), list(sys.path), sys.argv, list(sys.meta_path), pickle.load
    assert after == before[:5]
    new = set(sys.modules) - before[5]
    assert not {n for n in new if n.split(".")[0] in ("net", "common", "dataset", "ch05")}


def test_only_the_books_modules_are_served(book):
    script = book.write("ch05/ask.py", "import common.nothing")
    with pytest.raises(ModuleNotFoundError, match="common.nothing"):
        run_script(script)


@pytest.mark.parametrize(("number", "kind"), [(1, trainer.Trainer), (2, trainer.ModelTrainer)])
def test_the_trainer_is_that_of_the_book(book, number, kind, capsys):
    script = book.write("ch06/which.py", "from common.trainer import Trainer\nprint(Trainer)")
    run_script(script, book=number)
    assert capsys.readouterr().out.strip() == str(kind)


def test_the_book_is_found_by_what_it_has(book, capsys):
    script = book.write("ch06/which.py", "from common.trainer import Trainer\nprint(Trainer)")
    run_script(script)
    book.write("common/time_layers.py", "")
    run_script(script)
    assert capsys.readouterr().out.split("\n")[:2] == [
        str(trainer.Trainer), str(trainer.ModelTrainer),
    ]  # fmt: skip


def test_strict_brings_the_mistakes(book, capsys):
    script = book.write("ch05/relu.py", "from common.layers import Relu\nprint(Relu)")
    run_script(script, strict=True)
    run_script(script)
    strict, right = capsys.readouterr().out.split("\n")[:2]
    assert "original" in strict
    assert right == str(layers.Relu)


def test_pictures_become_files_in_the_present_folder(book, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")
    script = book.write(
        "ch01/draw.py",
        "import matplotlib.pyplot as plt\nfor k in range(2):\n    plt.plot([k, 1])\n    plt.show()",
    )
    run_script(script)
    names = sorted(p.name for p in (tmp_path / "pictures").iterdir())
    assert names == ["draw-figure-1.png", "draw-figure-2.png"]
    assert f"saved {tmp_path / 'pictures' / names[0]}" in capsys.readouterr().out


def test_pictures_in_a_new_process_and_the_backend_afterwards(book, tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    script = book.write(
        "ch01/draw.py", "from matplotlib import pyplot as plt\nplt.plot([1])\nplt.show()"
    )
    run = f"""
import sys
from handgrad.book import run_script
run_script({str(script)!r})
plt = sys.modules["matplotlib.pyplot"]
print(plt.get_backend(), plt.show.__module__)
"""
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, check=True,
        env={**os.environ, "MPLBACKEND": "svg"},
    )  # fmt: skip
    assert done.stdout.splitlines()[1] == "svg matplotlib.pyplot"
    assert (tmp_path / "pictures" / "draw-figure-1.png").exists()


def test_a_script_that_draws_nothing_imports_no_matplotlib(book):
    script = book.write("ch01/plain.py", "import sys; print('matplotlib' in sys.modules)")
    run = f"from handgrad.book import run_script; run_script({str(script)!r})"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_hostile_pickle_is_refused_in_a_script(book, tmp_path):
    made = tmp_path / "made"
    evil = b"cos\nmkdir\n(V" + str(made).encode() + b"\ntR."
    script = book.write(
        "ch03/read.py", "import pickle\nwith open('weights.pkl', 'rb') as f:\n    pickle.load(f)"
    )
    (script.parent / "weights.pkl").write_bytes(evil)
    with pytest.raises(pickle.UnpicklingError, match="refused: the file asks for os.mkdir"):
        run_script(script)
    assert not made.exists()


def test_arrays_in_a_pickle_are_read_in_a_script(book, capsys):
    script = book.write(
        "ch03/read.py",
        "import pickle\nwith open('w.pkl', 'rb') as f:\n    print(pickle.load(f)['W'].sum())",
    )
    (script.parent / "w.pkl").write_bytes(pickle.dumps({"W": np.ones((2, 3), np.float16)}))
    run_script(script)
    assert capsys.readouterr().out.strip() == "6.0"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"book": 3}, "book must be 1 or 2, got 3"), ({"samples": 0}, "samples must be at least 1")],
)
def test_bad_options(book, options, message):
    with pytest.raises(ValueError, match=message):
        run_script(book.write("ch01/a.py", ""), **options)


def test_no_script():
    with pytest.raises(FileNotFoundError, match="no script nowhere.py"):
        run_script("nowhere.py")


def test_mnist_in_the_books_form(book, mnist_folder, monkeypatch, capsys):
    monkeypatch.setenv("HANDGRAD_DATA", str(mnist_folder))
    script = book.write(
        "ch03/load.py",
        "from dataset.mnist import load_mnist\n"
        "for options in ({}, {'flatten': False, 'normalize': False}, {'one_hot_label': True}):\n"
        "    (x, t), (u, v) = load_mnist(**options)\n"
        "    print(x.shape, x.dtype, x.max(), t.shape, t.dtype, t[0], u.shape[0])\n",
    )
    run_script(script, samples=500)
    assert capsys.readouterr().out.splitlines() == [
        "(500, 784) float32 1.0 (500,) uint8 5 500",
        "(500, 1, 28, 28) uint8 255 (500,) uint8 5 500",
        "(500, 784) float32 1.0 (500, 10) float64 [0. 0. 0. 0. 0. 1. 0. 0. 0. 0.] 500",
    ]


def test_sequences_from_the_books_file_or_made(book, capsys):
    text = (
        "from dataset import sequence\n"
        "(x, t), (u, v) = sequence.load_data('addition.txt')\n"
        "letters = sequence.get_vocab()[1]\n"
        "print(len(x), len(v), ''.join(letters[i] for i in x[0]))\n"
    )
    script = book.write("ch07/load.py", text)
    run_script(script, book=2, samples=30)
    book.write("dataset/addition.txt", "1+2    _3   \n" * 10)
    run_script(script, book=2)
    made, read = capsys.readouterr().out.splitlines()
    assert made.startswith("27 3 ")
    assert read == "9 1 1+2    "


def test_penn_treebank_from_a_file_on_this_machine(book, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HANDGRAD_DATA", str(tmp_path / "data"))
    script = book.write(
        "ch02/load.py", "from dataset import ptb\nprint(ptb.load_data('val')[0].tolist())"
    )
    with pytest.raises(FileNotFoundError, match=r"no ptb.train.txt in .* HANDGRAD_DATA"):
        run_script(script)
    (tmp_path / "data" / "ptb").mkdir(parents=True)
    (tmp_path / "data" / "ptb" / "ptb.train.txt").write_text("a b \n c\n")
    (tmp_path / "data" / "ptb" / "ptb.valid.txt").write_text("c a\n")
    run_script(script)
    assert capsys.readouterr().out.strip() == "[3, 0, 2]"
