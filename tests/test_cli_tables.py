"""The command and the files everyone knows: trained, and predicted from as they are."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from handgrad.train import load_checkpoint

from .tables import adult, auto_mpg, titanic
from .test_cli import run  # noqa: F401


def score(text: str) -> float:
    return float(re.search(r"test (?:accuracy|R²) (-?[\d.]+)", text)[1])


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def train(run, *more) -> str:  # noqa: F811
    return run("train", *more, "--no-proof", "--epochs", 15, "--lr", 0.003)


def test_incomes(run):  # noqa: F811
    Path("adult.data").write_text(adult())
    text = train(run, "--data", "adult.data")
    assert "adult.data: 1,500 rows, separated by commas, no header" in text
    assert re.search(r"^1 +category +\d+ +one-hot: 3 \+ missing", text, re.M)
    assert re.search(r"^10 +2 classes +0 +target: <=50K \([\d,]+\), >50K \([\d,]+\)", text, re.M)
    assert score(text) > 80
    rows = [line.split(", ") for line in adult(40, seed=9).splitlines() if line]
    Path("new.data").write_text("\n".join(", ".join(row[:-1]) for row in rows))
    said = table(run("predict", "out/model.safetensors", "new.data"))
    assert said[0] == ["row", "class", "probability"]
    assert np.mean([a[1] == b[-1] for a, b in zip(said[1:], rows)]) > 0.75


def test_passengers(run):  # noqa: F811
    Path("titanic.csv").write_bytes(titanic().encode())
    text = train(run, "--data", "titanic.csv", "--target", "Survived")
    for line in (
        r"PassengerId +ID +0 +left out: counts the rows",
        r"Name +text +0 +left out: 560 of 560 differ",
        r"Age +number +\d+ +scaled; missing: median, flagged",
        r"Embarked +category +\d+ +one-hot: 3 \+ missing",
    ):
        assert re.search(f"^{line}", text, re.M), text
    assert max(map(len, text.split("proof")[0].splitlines())) <= 80
    assert score(text) > 70
    wanted = table(run("predict", "out/model.safetensors", "titanic.csv"))
    assert wanted[0] == ["PassengerId", "class", "probability"]
    assert [row[0] for row in wanted[1:4]] == ["1", "2", "3"]
    rows = [[*reversed(row)] for row in csv.reader(io.StringIO(titanic()))]
    with open("swapped.csv", "w", newline="", encoding="utf-16") as file:
        csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL).writerows(rows)
    assert table(run("predict", "out/model.safetensors", "swapped.csv")) == wanted
    said = table(run("predict", "out/model.safetensors", "titanic.csv", "--probabilities"))
    assert said[0] == ["PassengerId", "class", "p(0)", "p(1)"]
    assert all(abs(float(row[2]) + float(row[3]) - 1) < 2e-4 for row in said[1:])


def test_cars(run):  # noqa: F811
    Path("auto-mpg.data").write_text(auto_mpg())
    text = run("train", "--data", "auto-mpg.data", "--target", 0, "--no-proof", "--lr", 0.01)
    assert "398 rows, separated by spaces, no header" in text
    assert re.search(r"^8 +ID +0 +left out", text, re.M)
    assert re.search(r"^3 +number +\d+ +scaled; missing: median, flagged", text, re.M)
    assert score(text) > 0.8
    assert re.search(r"mean absolute error [\d.]+ \(always the mean: [\d.]+\)", text)
    said = table(run("predict", "out/model.safetensors", "auto-mpg.data"))
    right = [float(line.split()[0]) for line in auto_mpg().splitlines()]
    assert np.corrcoef([float(row[1]) for row in said[1:]], right)[0, 1] > 0.9


def test_prices_are_learned_on_their_scale(run, rng):  # noqa: F811
    x = rng.normal(size=(300, 3)) * [30, 1, 0.1] + [100, 3, 0]
    price = 200_000 + 1500 * x[:, 0] + 20_000 * x[:, 1] + 1000 * rng.normal(size=300)
    lines = [f"{a:.2f};{b:.3f};{c:.4f};{p:.2f}".replace(".", ",") for (a, b, c), p in zip(x, price)]
    Path("houses.csv").write_text("\n".join(["area;rooms;noise;price", *lines]))
    text = run("train", "--data", "houses.csv", "--no-proof", "--lr", 0.01)
    assert "separated by semicolons" in text
    assert score(text) > 0.97
    said = table(run("predict", "out/model.safetensors", "houses.csv"))
    assert said[0] == ["row", "price"]
    errors = np.array([float(row[1]) for row in said[1:]]) - price
    assert np.abs(errors).mean() < 8000


def test_a_baseline_stands_beside_every_score(run, rng):  # noqa: F811
    lines = [
        f"{v:.3f},{'yes' if i % 50 == 0 else 'no'}" for i, v in enumerate(rng.normal(size=500))
    ]
    Path("rare.csv").write_text("\n".join(["x,ill", *lines]))
    text = run("train", "--data", "rare.csv", "--no-proof", "--epochs", 2, "--quiet")
    assert re.search(r"test accuracy 9\d.00% on 100 samples \(always 'no': 98.00%\)", text)
    assert "(always 'no': 50.00%)" in text
    assert "no better than always 'no'; --balance may do more" in text
    run("train", "--data", "rare.csv", "--no-proof", "--epochs", 2, "--balance", "--quiet")


def test_a_second_label_is_pointed_out(run, rng):  # noqa: F811
    ill = rng.random(200) < 0.4
    lines = [
        f"{v:.3f},{'ill' if i else 'well'},{int(i)}" for v, i in zip(rng.normal(size=200), ill)
    ]
    Path("d.csv").write_text("\n".join(["x,state,label", *lines]))
    arguments = "train", "--data", "d.csv", "--no-proof", "--epochs", 1, "--quiet"
    assert "column 'state' looks like the target" in run(*arguments)
    assert "looks like" not in run(*arguments, "--drop", "state")
    assert "looks like" not in run(*arguments, "--drop", "state", "--target", "x")


def test_what_prediction_refuses_and_what_it_says(run, rng):  # noqa: F811
    lines = [f"{v:.3f},{c},{int(v > 0)}" for v, c in zip(rng.normal(size=90), "abc" * 30)]
    Path("d.csv").write_text("\n".join(["height,colour,tall", *lines]))
    run("train", "--data", "d.csv", "--no-proof", "--epochs", 1, "--quiet")

    def predict(text: str, code: int = 0, *more) -> str:
        Path("p.csv").write_text(text)
        return run("predict", "out/model.safetensors", "p.csv", *more, code=code)

    assert "lacks columns 'height' (is it 'heigth'?), 'colour' (is it 'color'?)" in predict(
        "heigth,color\n1,a\n", 2
    )
    assert "lacks columns 'height', 'colour'" in predict("1,2,3\n4,5,6\n", 2)
    assert "'height' held numbers in training, here most cells do not: 'x' in line 2" in predict(
        "height,colour\nx,a\ny,b\n", 2
    )
    said = predict("height,colour\n" + "1,a\n" * 9 + "much,b\n,purple\n")
    assert (
        "column 'height': 1 cell holds no finite number, taken as missing: 'much' in line 11"
        in said
    )
    assert "column 'colour': 1 cell unlike any in training ('purple')" in said
    assert len(said.splitlines()) == 14
    assert "no column 'name' among" in predict("height,colour\n1,a\n", 2, "--id", "name")
    assert predict("height,colour\n1,a\n", 0, "--id", "colour").startswith("colour,class,")


def test_kinds_may_be_said_and_several_targets_given(run, rng):  # noqa: F811
    x = rng.normal(size=(80, 2))
    lines = [f"{i % 4},{a:.3f},{b:.3f},2024-01-{1 + i % 28:02}" for i, (a, b) in enumerate(x)]
    Path("d.csv").write_text("\n".join(["zone,p,q,day", *lines]))
    text = run("train", "--data", "d.csv", "--target", "p", "--target", "q",
               "--categorical", "zone", "--drop", "day", "--epochs", 2, "--no-proof")  # fmt: skip
    assert re.search(r"^zone +category +0 +one-hot: 4", text, re.M)
    assert re.search(r"^day +words +0 +left out: as asked", text, re.M)
    assert load_checkpoint("out/model.safetensors").output.columns == ("p", "q")
    assert run("predict", "out/model.safetensors", "d.csv").startswith("row,p,q\n0,")
    again = "train", "--data", "d.csv", "--target", "p", "--target", "q", "--no-proof", "--resume"
    said = run(*again, "--drop", "day", code=2)
    assert "of column 'zone', kind is 'number', 'category' before" in said
    run(*again, "--drop", "day", "--categorical", "zone", "--epochs", 3, "--quiet")
    assert "no column 'zones' among zone, p, q, day; is it 'zone'?" in run(
        "train", "--data", "d.csv", "--categorical", "zones", code=2
    )


def test_several_targets_of_classes(run, rng):  # noqa: F811
    x = rng.normal(size=(90, 2))
    lines = [
        f"{a:.3f},{b:.3f},{'abc'[int(a > 0) + int(b > 0)]},{'no' if a < 0 else 'yes'}" for a, b in x
    ]
    Path("d.csv").write_text("\n".join(["p,q,kind,sign", *lines]))
    text = run("train", "--data", "d.csv", "--target", "kind,sign", "--epochs", 30, "--no-proof")
    assert re.search(r"^kind +3 classes +0 +target: a \(\d+\), b \(\d+\), c", text, re.M)
    assert re.search(r"^running: native", text, re.M)
    assert re.search(r"^  sign (\d\d|100)\.\d+% \(always '(no|yes)': \d+.\d+%\)", text, re.M)
    header, first = run("predict", "out/model.safetensors", "d.csv").splitlines()[:2]
    assert header == "row,kind,sign"
    assert re.fullmatch("0,[abc],(no|yes)", first)
    table = run("predict", "out/model.safetensors", "d.csv", "--probabilities").splitlines()
    assert table[0] == "row,kind,sign,p(kind=a),p(kind=b),p(kind=c),p(sign=no),p(sign=yes)"
    p = np.array([line.split(",")[3:] for line in table[1:]], float)
    np.testing.assert_allclose([p[:, :3].sum(1), p[:, 3:].sum(1)], 1, atol=2e-4)
    assert "--balance: weighs the classes of one target" in run(
        "train", "--data", "d.csv", "--target", "kind,sign", "--balance", code=2
    )


def test_the_proof_is_bounded(run, rng):  # noqa: F811
    x = rng.normal(size=(40, 700)).round(3)
    Path("d.csv").write_text("\n".join(",".join(map(str, [*row, int(row[0] > 0)])) for row in x))
    text = run("train", "--data", "d.csv", "--epochs", 1)
    assert "on 8 samples\n889 of 70,302 entries, chosen at random" in text
    assert "0 … 699" in text


@pytest.mark.parametrize("suffix", [".parquet", ".feather"])
def test_columns_in_arrow_files(run, rng, suffix):  # noqa: F811
    pyarrow = pytest.importorskip("pyarrow")
    write = pytest.importorskip("pyarrow.parquet").write_table
    if suffix == ".feather":
        write = pytest.importorskip("pyarrow.feather").write_feather
    x = rng.normal(size=100)
    words = ["even" if v > 0 else "odd" for v in x]
    write(pyarrow.table({"x": x, "note": [None, "a"] * 50, "kind": words}), f"d{suffix}")
    text = train(run, "--data", f"d{suffix}")
    assert score(text) > 90
    assert re.search(r"^note +constant|^note +category +50", text, re.M)
    assert run("predict", "out/model.safetensors", f"d{suffix}").startswith("row,class,prob")
