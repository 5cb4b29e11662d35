"""Tables: what columns are, what they become, what is learned, and what a model keeps of it."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pytest

from handgrad import Adam, Affine, ReLU, Sequential, ShapeError, SigmoidCrossEntropy, fit
from handgrad.train import OutputSpec, load_checkpoint, read_table, save
from handgrad.train.data import split_rows
from handgrad.train.heads import head_layers
from handgrad.train.loading import load_data
from handgrad.train.tables.encode import robust
from handgrad.train.tables.spec import Notes, TableSpec, unlike

from ..tables import adult, titanic


@pytest.fixture
def table(tmp_path):
    """A table from the text of a CSV file."""

    def read(content: str, name: str = "data.csv", **options):
        path = tmp_path / name
        path.write_text(content)
        return read_table(path, **options)

    return read


def kinds(read) -> dict[str, tuple[str, str]]:
    """Kind and use of each column, as they are shown."""
    spec = read.fit()
    lines = read.show(spec).splitlines()[1:]
    found = [re.fullmatch(r"(\S+)  +(\S+(?: \S+)*)  +[\d,]+  (.*)", line) for line in lines]
    return {line[1]: (line[2], line[3]) for line in found if line}


COLUMNS = {
    "age": ("number", ["31", "?", "45.5", "NA", "28"], "scaled; missing: median, flagged"),
    "town": ("category", ["Rome", "Oslo", "Rome", "Oslo", ""], "one-hot: 2 + missing"),
    "member": ("yes or no", ["yes", "no", "Yes", "NO", ""], "yes 1, no -1, missing 0"),
    "since": ("date", ["31.12.2023", "", "1.2.2024", "7.8.2022", "9.9.2021"], "days, year, week"),
    "user_id": ("ID", ["7", "9", "12", "13", "20"], "left out: all differ"),
    "code": ("ID", ["A1", "B2", "C3", "D4", "E5"], "left out: 20 of 20 differ"),
    "note": ("text", ["a long text of words"] * 5, "left out: 20 of 20 differ"),
    "unit": ("constant", ["kg"] * 5, "left out: always 'kg'"),
    "nothing": ("empty", ["", "NA", "?", "null", "n/a"], "left out: no value in it"),
    "label": ("2 classes", ["a", "b", "a", "b", "a"], "target: a (12), b (8)"),
}


def test_what_columns_are(table):
    lines = [",".join(COLUMNS)]
    for i in range(20):
        cells = [held[i % 5] for _, held, _ in COLUMNS.values()]
        cells[4:7] = [str(100 + 3 * i), f"X{i}", f"a long text of words {i}"]
        lines.append(",".join(cells))
    read = table("\n".join(lines))
    assert kinds(read) == {name: (kind, use) for name, (kind, _, use) in COLUMNS.items()}
    assert read.fit().id == "user_id"
    assert max(map(len, str(read).splitlines()[1:])) <= 80


def test_wishes(table):
    lines = [f"{i},{i % 3},w{i % 7} v{i % 2},2024-01-0{1 + i % 9},{i % 2}" for i in range(30)]
    text = "n,zone,words,day,t\n" + "\n".join(lines)
    read = table(text, number=["n"], categorical=["zone"], text=["words"], drop=["day"])
    spec = read.fit()
    assert [encoder.kind for encoder in spec.encoders] == ["number", "category", "text"]
    assert spec.features[:5] == ("n", "zone=0", "zone=1", "zone=2", "words: v0")
    x = read.inputs(spec)
    np.testing.assert_allclose(x[3, 4:7], [0, np.log(2), 0], rtol=1e-6)
    with pytest.raises(ValueError, match="--date words: not all of its cells are dates such as"):
        table(text, date=["words"]).fit()
    with pytest.raises(ValueError, match=r"no column 'zon' among n, zone, .*; is it 'zone'\?"):
        table(text, categorical=["zon"])
    with pytest.raises(ValueError, match="task: 'classification' or 'regression', got 'x'"):
        table(text, task="x")


def test_numbers_are_scaled_by_median_and_quartiles(rng):
    values = rng.normal(size=1001) * 7 + 300
    values[0] = 1e9
    center, scale = robust(values)
    assert center == np.median(values)
    assert scale == pytest.approx(7 * 1.349, rel=0.1)
    assert robust(np.r_[np.zeros(9), 5.0]) == (0, 2.5)
    assert robust(np.full(9, 1e6)) == (1e6, 1)
    assert robust(np.empty(0)) == (0, 1)


def test_what_is_fitted_is_fitted_to_the_training_rows_alone(table, rng):
    """Whatever the other rows hold, the encoders and the scale of the targets stay the same."""
    v = rng.normal(size=100)
    made = []
    for other in (1.0, 1000.0):
        lines = [f"{'nan' if i == 7 else a},{'abc'[i % 3]},{2 * a + i}" for i, a in enumerate(v)]
        read = table("x,c,t\n" + "\n".join(lines))
        train = split_rows(read.targets.t, 0.2, 3)[0]
        changed = [line if i in train else f"{other},new,{other}" for i, line in enumerate(lines)]
        data = table("x,c,t\n" + "\n".join(changed)).split(seed=3)
        made.append((data.table, data.mean, data.scale, data.x_train))
    assert made[0][:3] == made[1][:3]
    np.testing.assert_array_equal(made[0][3], made[1][3])
    assert made[0][0].features == ("x", "x is missing", "c=a", "c=b", "c=c")


def test_unseen_and_rare_categories(table):
    words = ["red"] * 9 + ["blue"] * 9 + ["once", "twice", "twice"]
    read = table("colour,t\n" + "".join(f"{w},{i % 2}\n" for i, w in enumerate(words)))
    spec = read.fit()
    assert spec.features == ("colour=blue", "colour=red", "colour=twice", "colour is another")
    notes = Notes()
    frame = table("colour,t\nred,0\nnew,1\n,0\n").frame
    x = spec.inputs(frame, notes=notes)
    assert x.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    assert notes.lines() == ["column 'colour': 1 cell unlike any in training ('new')"]


FRAMES = ["pandas", "polars", "pyarrow", "dict"]


def in_frame(library: str, text: str):
    """A CSV text as a frame of some library."""
    if library == "dict":
        import csv

        names, *rows = csv.reader(io.StringIO(text, newline=""))
        return {name: list(cells) for name, cells in zip(names, zip(*rows))}
    if library == "pyarrow":
        return pytest.importorskip("pyarrow.csv").read_csv(io.BytesIO(text.encode()))
    read = pytest.importorskip(library).read_csv
    return read(io.StringIO(text) if library == "pandas" else text.encode())


@pytest.mark.parametrize("library", FRAMES)
def test_a_frame_is_the_same_as_its_file(table, library):
    text = titanic(200)
    wanted = table(text, target="Survived")
    found = read_table(in_frame(library, text), "Survived")
    assert found.fit() == wanted.fit()
    np.testing.assert_array_equal(found.targets.t, wanted.targets.t)
    np.testing.assert_allclose(found.inputs(found.fit()), wanted.inputs(wanted.fit()), rtol=1e-6)


def test_a_frames_own_kinds():
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({
        "flag": [True, False, True, None], "kind": pandas.Categorical(["a", "b", None, "a"]),
        "count": pandas.array([1, 2, None, 4], dtype="Int64"),
        "day": pandas.to_datetime(["2024-01-01", "2024-01-09", None, "2023-05-05"]),
        "big": [1.0, np.inf, 3.0, 4.0], "t": [0.5, 1.5, 2.5, 3.0],
    })  # fmt: skip
    read = read_table(x, task="regression")
    spec = read.fit()
    assert [e.kind for e in spec.encoders] == ["yes or no", "category", "number", "date", "number"]
    assert np.isfinite(read.inputs(spec)).all()
    assert read.notes(spec, read.targets.rows, read.targets.t) == [
        "column 'big': 1 cell holds no finite number, taken as missing: 'inf' in line 1"
    ]


def test_cells_of_nullable_columns_durations_and_bytes():
    pandas = pytest.importorskip("pandas")
    days = pandas.to_timedelta([1.5, None, 3.0, 4.0] * 2, unit="D")
    columns = {
        "flag": pandas.array([True, None, False, True] * 2, dtype="boolean"),
        "word": pandas.array(["a", None, "b", "a"] * 2, dtype="string"),
        "kind": pandas.Categorical(pandas.array(["a", None, "b", "a"] * 2, dtype="string")),
        "bytes": [b"x", None, b"y", b"x"] * 2,
        "for": days, "for2": [None if d is pandas.NaT else d.to_pytimedelta() for d in days],
    }  # fmt: skip
    t = np.arange(8) / 3
    read = read_table(pandas.DataFrame({**columns, "t": t}), task="regression")
    kinds = {e.name: e for e in read.fit().encoders}
    assert [e.kind for e in kinds.values()] == [
        "yes or no", "category", "category", "category", "number", "number"
    ]  # fmt: skip
    assert kinds["bytes"].values == ("x", "y")
    assert kinds["for"].center == kinds["for2"].center == 3.0


@pytest.mark.parametrize("suffix", ["frame", "parquet"])
def test_durations_and_collections_of_arrow(suffix, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    held = {"a": arrow.array([86400, None, 3 * 86400], arrow.duration("s")), "t": [1.5, 2, 3]}

    def read(columns):
        made = arrow.table(columns)
        if suffix == "frame":
            return read_table(made, task="regression")
        parquet.write_table(made, tmp_path / "held.parquet")
        return read_table(tmp_path / "held.parquet", task="regression")

    assert read(held).fit().encoders[0].center == 2.0
    with pytest.raises(
        ValueError, match=r"column 'a': cells of type list are not taken, such as \[1, 2\]; num"
    ):
        read({**held, "a": [[1, 2], None, [3]]})


def test_in_what_two_tables_differ(table):
    text = "a,b,t\n" + "".join(f"{i / 3:.2f},{'xyz'[i % 3]},{i / 2}\n" for i in range(30))
    read = table(text)
    before, part = read.fit(), read.fit(np.arange(20))
    assert unlike(part, before).startswith("of column 'a', center is 3.16")
    assert unlike(table(text, drop=["b"]).fit(), before) == (
        "column 'b' is left out, not so before"
    )
    assert unlike(table(text.replace("a,", "c,")).fit(), before).startswith("columns ('c', 'b'")
    assert unlike(None, before) == "one is a table, the other none"


def test_words_among_numbers(table):
    few = read_table({"a": ["1.5", "unknown", *map(str, range(40))], "t": np.arange(42) / 2})
    assert few.notes(few.fit(), few.targets.rows, few.targets.t) == [
        "column 'a': 1 cell holds no finite number, taken as missing: 'unknown' in line 1"
    ]
    text = "a,b,t\n" + "".join(
        f"{'u' * (i % 3 == 0)}{i},{'xy'[i % 2]},{i / 2}\n" for i in range(99)
    )
    mixed = table(text)
    notes = mixed.notes(mixed.fit(), mixed.targets.rows, mixed.targets.t)
    assert notes == [
        "column 'a' is left out, though 67% of its cells are numbers: --number 'a' takes the "
        "others as missing"
    ]
    assert table(text, number=["a"]).fit().encoders[0].kind == "number"
    with pytest.raises(ValueError, match="--number b: most of its cells are no numbers, such as"):
        table(text, number=["b"]).fit()


def test_complex_numbers_are_refused():
    with pytest.raises(ValueError, match="column 'z': cells of type complex are not taken"):
        read_table({"z": np.array([1j, 2.0]), "t": [0.5, 1.5]})


def test_a_model_takes_frames_and_gives_values_on_their_scale(table, tmp_path, rng):
    a = rng.normal(size=200)
    text = "a,b,price\n" + "".join(f"{v},{'xy'[i % 2]},{5e5 + 1e4 * v}\n" for i, v in enumerate(a))
    data = table(text).split()
    network = Sequential(Affine(16), ReLU(), Affine(1), seed=0)
    fit(network, data.x_train, data.t_train, epochs=60)
    path = tmp_path / "m.safetensors"
    save(network, path, input=data.input, output=data.output, table=data.table)
    saved = load_checkpoint(path)
    assert saved.table == data.table
    y = saved.predict({"b": ["x", "y"], "a": [1.0, -1.0]})
    np.testing.assert_allclose(y[:, 0], [5.1e5, 4.9e5], atol=2000)
    with pytest.raises(ValueError, match="data: lacks column 'b'; it has 'a'"):
        saved.predict({"a": [1.0]})
    with pytest.raises(ValueError, match="the table does not become what the network takes"):
        save(network, path, input=[[1.0, 2.0, 3.0]], table=data.table)


def test_scaled_targets_in_a_specification():
    spec = OutputSpec("regression", None, ("a", "b"), (10.0, -1.0), (2.0, 3.0))
    assert OutputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert spec.values(np.array([[1.0, 2.0]])).tolist() == [[12.0, 5.0]]
    assert list(spec.rows(np.zeros((1, 2)))) == [("row", "a", "b"), (0, "10", "-1")]
    for mean, scale in (
        ((1.0,), None),
        ((1.0,), (0.0,)),
        ((np.nan,), (1.0,)),
        ((1.0,), (1.0, 2.0)),
    ):
        with pytest.raises(ValueError, match="OutputSpec: mean and scale must be"):
            OutputSpec("regression", mean=mean, scale=scale)


WRONG = [
    lambda d: d.pop("encoders"),
    lambda d: d.update(encoders=[]),
    lambda d: d["columns"].pop(),
    lambda d: d["columns"].append("x"),
    lambda d: d.update(id="nowhere"),
    lambda d: d.update(targets=["x"]),
    lambda d: d["encoders"][0].update(kind="shell"),
    lambda d: d["encoders"][0].update(scale=0.0),
    lambda d: d["encoders"][0].update(center=float("nan")),
    lambda d: d["encoders"][0].pop("mark"),
    lambda d: d["encoders"][1].update(values=[1]),
    lambda d: d["encoders"][1].update(code="x"),
    lambda d: d["encoders"].append(d["encoders"][0]),
    lambda d: d.update(header="yes"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_specification_is_refused(table, number):
    spec = table("x,c,t\n" + "1,a,0\n2,b,1\n" * 9).fit()
    plain = json.loads(json.dumps(spec.to_dict()))
    assert TableSpec.from_dict(plain) == spec
    WRONG[number](plain)
    with pytest.raises(ValueError, match="table|TableSpec"):
        TableSpec.from_dict(plain)


TARGETS = [
    ("x,t\n1,a\n2,a\n", "the target 't' has one class, 'a', in all 2 rows"),
    ("x,t\n1,5\n2,5\n3,5\n", "the target 't' has one class, '5', in all 3 rows"),
    ("x,t\n1,5.5\n2,5.5\n3,5.5\n", "the target 't' is 5.5 in all 3 rows; there is nothing"),
    ("x,t\n1,\n2,?\n", "the target 't' is empty"),
    ("x,t\n" + "".join(f"{i},w{i}\n" for i in range(9)), "has 9 different values in 9 rows"),
    ("x,t\n1,2024-01-01\n2,2024-01-02\n1,2024-01-01\n2,2024-01-02\n", None),
    ("t\n1\n2\n", "no column to learn from beside the target"),
    ("x,t\n,1.5\n,2.5\n", "no column to learn from beside the target (x: no value in it)"),
    ("x,t\n1,2\n", "the target 't' is 2 in the only row"),
    ("x,t\n", "no rows of data below the header"),
]


@pytest.mark.parametrize(("text", "message"), TARGETS, ids=range(len(TARGETS)))
def test_targets_that_nothing_is_learned_from(table, text, message):
    if message is None:
        assert table(text).targets.classes == ("2024-01-01", "2024-01-02")
        return
    with pytest.raises(ValueError, match=re.escape(message)):
        table(text).fit()


def test_targets_of_any_spelling(table):
    read = table('x,t\n1,"2,5"\n2,"3,5"\n3,"12,25"\n')
    assert read.targets.t[:, 0].tolist() == [2.5, 3.5, 12.25]
    assert table('x,t\n1,"2,000"\n2,"13,500"\n').targets.t[:, 0].tolist() == [2000, 13500]
    read = table("x;t\n1;ja\n2;nein\n3;ja\n4;nein\n5;?\n")
    assert (read.targets.classes, read.targets.rows.tolist()) == (("ja", "nein"), [0, 1, 2, 3])
    assert table("x,t\n1,yes\n2,no\n3,yes\n").targets.classes == ("no", "yes")
    assert table("x,t\n" + "1,3\n2,4\n" * 5).targets.classes == ("3", "4")
    read = table("x,t\n" + "1,3\n2,4\n" * 5, task="regression")
    assert read.targets.t[:2].tolist() == [[3.0], [4.0]]


def test_targets_by_name_or_by_number(table):
    text = "3,2,1\n" + "0.5,0.1,7\n0.1,0.2,8\n" * 3
    assert table(text, target="1", header=True).targets.names == ("1",)
    assert table(text, target="0", header=True).targets.names == ("3",)
    assert table(text, target="-2", header=True).targets.names == ("2",)
    assert table(text, target=["3", 1], header=True).targets.t.shape == (6, 2)
    assert (
        "a header of numbers (1, 2, 3, …)"
        in table("1,2,3\n" + "0.5,0.1,7\n0.1,0.2,8\n" * 3).frame.how
    )


def test_ten_thousand_classes(table, tmp_path):
    lines = [f"{i % 97},c{i % 10_000:05}" for i in range(30_000)]
    read = table("x,t\n" + "\n".join(lines))
    assert len(read.targets.classes) == 10_000
    data = read.split()
    assert data.t_train.max() == 9999
    assert kinds(read)["t"][0] == "10000 classes"


def test_mixed_columns_and_names_that_are_there_twice(table):
    rows = [f"{('7', 'x')[i % 2]},{i % 3},{i % 2}" for i in range(40)]
    read = table("mixed,mixed,t\n" + "\n".join(rows))
    spec = read.fit()
    assert spec.features == ("mixed=7", "mixed=x", "mixed.2")
    with pytest.raises(ValueError, match="the column 'mixed.2' is there twice|lacks column"):
        spec.find("f", ["mixed", "t"], True)
    other = table("a,t\n" + "1,0\n2,1\n" * 5).fit()
    with pytest.raises(ValueError, match="the column 'a' is there twice"):
        other.find("f", ["a", "a.2"], True)


def test_files_without_names_by_the_order_of_columns(table):
    spec = table("1,a,0\n2,b,1\n3,a,0\n4,b,1\n").fit()
    assert spec.find("f", ["0", "1"], False) == ["0", "1"]
    assert spec.find("f", ["x", "y", "z"], True) == ["0", "1", "2"]
    with pytest.raises(ValueError, match="f: 3 columns are needed, in the order of training, the"):
        spec.find("f", ["0", "1", "2", "3"], False)


def test_a_column_that_tells_the_target(table, rng):
    t = rng.random(300) < 0.5
    v = rng.normal(size=300)
    lines = [f"{a},{'in' if b else 'out'},{b + rng.normal() * 1e-3:.5f},{a * 2},{int(b)}"
             for a, b in zip(v, t)]  # fmt: skip
    read = table("a,word,near,twice,t\n" + "\n".join(lines))
    said = read.notes(read.fit(), read.targets.rows, read.targets.t)
    assert [re.match(r"column '(\w+)' looks like the target", s)[1] for s in said] == [
        "word",
        "near",
    ]
    read = table("a,word,near,twice,t\n" + "\n".join(lines), target="a")
    said = read.notes(read.fit(), read.targets.rows, read.targets.t)
    assert [s.split("'")[1] for s in said] == ["twice"]


def test_regression_from_npz_is_scaled_too(tmp_path, rng):
    x = rng.normal(size=(50, 2))
    np.savez(tmp_path / "a.npz", x=x, t=3e5 + 1e4 * x[:, 0])
    data = load_data(tmp_path / "a.npz")
    assert abs(data.t_train.mean()) < 1e-5
    assert data.t_train.std() == pytest.approx(1, rel=1e-5)
    assert data.output.values(data.t_test).mean() == pytest.approx(3e5, rel=0.05)


def test_incomes_are_understood(table):
    read = table(adult(300), name="adult.data")
    assert read.frame.columns[1].words[0] in ("Private", "Self-emp-not-inc", "Local-gov")
    assert read.frame.columns[1].missing.sum() > 5
    assert read.targets.classes == ("<=50K", ">50K")


def test_several_classes_at_once_are_labels(table, tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    words = np.where(a > 0, "yes", "no"), np.where(b > 0, "sick", "fit")
    lines = [f"{p:.3f},{q:.3f},{v},{w},{'uvw'[i % 3]}"
             for i, (p, q, v, w) in enumerate(zip(a, b, *words))]  # fmt: skip
    text = "\n".join(["a,b,smoker,health,k", *lines])
    read = table(text, target=["smoker", "health"], drop=["k"])
    assert "target: health=sick" in read.show(read.fit())
    data = read.split()
    assert data.labels
    np.testing.assert_array_equal(np.unique(data.t_train), [0, 1])
    network = Sequential(Affine(2), seed=0)
    fit(network, data.x_train, data.t_train, loss=SigmoidCrossEntropy(), optimizer=Adam(0.03))
    path = tmp_path / "m.safetensors"
    save(network, path, input=data.input, output=data.output, table=data.table)
    output = load_checkpoint(path).output
    assert output == OutputSpec("labels", columns=("smoker=yes", "health=sick"))
    y = network.predict(data.x_test)
    header, first, *_ = output.rows(y)
    assert header == ("row", "smoker=yes", "health=sick")
    assert first == (0, *(str(int(v > 0)) for v in y[0]))
    assert ((y > 0) == data.t_test).mean() > 0.9
    p = next(output.answers(y, probabilities=True))[2:]
    np.testing.assert_allclose([float(v) for v in p], 1 / (1 + np.exp(-y[0])), atol=1e-4)


def test_several_targets_of_classes_have_scores_of_their_own(table, tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 300))
    lines = [f"{p:.3f},{q:.3f},{'no' if p < 0 else 'yes'},{'uvw'[int(q > 0) + int(q > 1)]}"
             for p, q in zip(a, b)]  # fmt: skip
    read = table("\n".join(["a,b,smoker,k", *lines]), target="smoker, k")
    assert "target: u (" in read.show(read.fit())
    data = read.split()
    assert data.heads == (("no", "yes"), ("u", "v", "w"))
    assert data.outputs == 5
    network = Sequential(Affine(5), *head_layers((2, 3)), seed=0)
    fit(network, data.x_train, data.t_train, optimizer=Adam(0.03))
    path = tmp_path / "m.safetensors"
    save(network, path, input=data.input, output=data.output, table=data.table)
    saved = load_checkpoint(path)
    assert saved.output == OutputSpec("heads", columns=("smoker", "k"), heads=data.heads)
    y = saved.network.predict(data.x_test)
    assert (y.argmax(axis=2) == data.t_test).mean() > 0.85
    header, first, *_ = saved.output.rows(y)
    assert header == ("row", "smoker", "k")
    best = y[0].argmax(axis=1)
    assert first == (0, ("no", "yes")[best[0]], "uvw"[best[1]])
    p = saved.output.probabilities(y)
    np.testing.assert_allclose([p[:, :2].sum(1), p[:, 2:].sum(1)], 1)
    with pytest.raises(ShapeError, match=r"the output has shape \('N', 5\), not \('N', 2, 3\)"):
        saved.output.check((7, 5))


@pytest.mark.parametrize("heads", [None, (), (("a", "b"),), (("a", "a"), ("b", "c")), ((), ("a",))])
def test_heads_that_do_not_fit_their_columns_are_refused(heads):
    with pytest.raises(ValueError, match="OutputSpec: heads"):
        OutputSpec("heads", columns=("p", "q"), heads=heads)
    if heads:
        with pytest.raises(ValueError, match="OutputSpec: heads"):
            OutputSpec("labels", columns=("p", "q"), heads=heads)
