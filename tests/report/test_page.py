"""The page of runs: what stands in it, against the numbers, and in a browser where there is one."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad import (
    SGD,
    Affine,
    DivergenceError,
    ReLU,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    fit,
)
from handgrad.cli import main
from handgrad.report import Record, run_report
from handgrad.report.judged import Meaning, _classes, _probabilities
from handgrad.report.marks import number, ridges, spark
from handgrad.report.png import encoded, png_of
from handgrad.report.run import read_run, write_run
from handgrad.report.seen import FORM
from handgrad.train import accuracy, digits, split
from handgrad.train.metrics import confusion_matrix

NAN = float("nan")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def digit():
    return split(*digits())


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digit):
    """Two runs: a good one, and one that diverges."""
    x, t, x_test, t_test = digit
    folder = tmp_path_factory.mktemp("runs")
    network = Sequential(Affine(20), ReLU(), Affine(10))
    record = Record(folder / "good", classes=[f"<{k}>" for k in range(10)], shape=(1, 8, 8))
    fit(network, x, t, epochs=4, validation=(x_test, t_test), progress=False, callbacks=[record])
    with pytest.raises(DivergenceError):
        fit(Sequential(Affine(9), ReLU(), Affine(10)), x, t, progress=False, optimizer=SGD(1e30),
            callbacks=[Record(folder / "bad")])  # fmt: skip
    np.save(folder / "y.npy", network.predict(x_test))
    run = read_run(folder / "good")
    run["seen"]["diagnosis"] = diagnosis()
    write_run(folder / "watched.json", run)
    return folder


def diagnosis():
    """What the training doctor leaves, in small."""

    def histogram(low):
        return {"low": low, "high": 1.0, "counts": [1, 5, 2]}

    readings = [
        {"step": s, "epoch": 0, "samples": 8, "loss": 1.0, "eval_loss": 1.0, "gradient_norm": 2.0,
         "lr": 0.1,
         "outputs": [{"path": "0", "kind": "Affine", "shape": [8, 4], "rms": 1.0, "gradient": 0.1,
                      "histogram": histogram(-1.0)}],
         "parameters": [{"path": "0.W", "shape": [2, 4], "rms": 0.5, "gradient": g, "update": 0.01,
                         "histogram": histogram(-2.0), "gradient_histogram": None}]}
        for s, g in ((0, 0.1), (50, NAN), (100, 0.001))
    ]  # fmt: skip
    found = {"name": "dead", "title": "dead <units>", "grade": "measured", "where": "layer 1",
             "measured": "97 % are 0", "advice": "a smaller lr", "step": 50}  # fmt: skip
    return {"findings": [found], "readings": readings, "facts": {}, "seconds": 0.1}


class Checker(HTMLParser):
    """Counts the elements; every one must be closed in its turn."""

    VOID = {"meta", "br", "img", "input", "path", "rect", "circle", "polyline"}

    def __init__(self, text):
        super().__init__()
        self.open, self.count = [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1


def test_the_page_needs_no_other_file_and_is_well_formed(folder):
    page = run_report(folder / "good", folder / "bad", folder / "watched.json")
    found = Checker(page).count
    assert found["h1"] == 1
    assert not re.search(r"""(src|href)=["'](?!data:image/png|#)""", page)
    assert "default-src 'none'" in page
    assert len(page.encode()) < 1_000_000
    assert "<7>" not in page  # names are escaped
    assert "&lt;7&gt;" in page
    assert "dead &lt;units&gt;" in page


def test_its_numbers_are_those_of_the_network(folder, digit):
    *_, t = digit
    y = np.load(folder / "y.npy")
    seen = read_run(folder / "good")["seen"]
    assert seen["confusion"] == confusion_matrix(y, t).tolist()
    assert np.trace(seen["confusion"]) / len(t) == accuracy(y, t)
    p = np.exp(y - y.max(axis=1, keepdims=True), dtype=float)
    p /= p.sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(len(t)), t])
    worst = np.argsort(-losses, kind="stable")
    assert [one["number"] for one in seen["worst"]] == worst[:12].tolist()
    assert seen["worst"][0]["loss"] == pytest.approx(losses[worst[0]])
    assert sum(row[2] for row in seen["calibration"]) == len(t)
    page = run_report(folder / "good")
    assert f"taken for <b>&lt;{y[worst[0]].argmax()}&gt;</b>, loss {losses[worst[0]]:.4g}" in page
    assert page.count('<img alt="sample ') == 12


def test_a_run_that_diverged_says_so_and_is_drawn(folder):
    page = run_report(folder / "bad")
    assert "no longer finite" in page or "became" in page
    assert "By the curves alone." in page
    assert "No histograms were taken." in page
    assert "handgrad replay" in page


def test_readings_and_findings_are_drawn(folder):
    page = run_report(folder / "watched.json")
    assert "97 % are 0" in page
    assert "→ a smaller lr" in page
    assert page.count('class="ridge"') == 6
    assert 'aria-label="gradient of 0.W by step"' in page
    assert 'class="cross"' in page  # the gradient that is not a number


def test_rows_and_values_stand_in_a_table(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 15))
    record = Record(tmp_path, columns=[f"c{i}" for i in range(15)])
    fit(Sequential(Affine(2)), x, x[:, :2], epochs=1, callbacks=[record], progress=False)
    one = read_run(tmp_path)["seen"]["worst"][0]
    assert one["row"][0] == ["c0", f"{x[one['number'], 0]:.4g}"]
    assert one["more"] == 3
    assert "and 3 more" in run_report(tmp_path)


def test_pictures_are_png_files():
    picture = np.random.default_rng(1).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    image = pytest.importorskip("PIL.Image")
    read = np.asarray(image.open(io.BytesIO(encoded(picture))))
    assert np.array_equal(read, picture.transpose(1, 2, 0))
    grey = np.array([[[0.0, 1.0], [NAN, 0.5]]])
    read = np.asarray(image.open(io.BytesIO(base64.b64decode(png_of(grey).split(",")[1]))))
    assert read.tolist() == [[0, 255], [128, 128]]
    wide = image.open(io.BytesIO(base64.b64decode(png_of(np.zeros((1, 200, 300))).split(",")[1])))
    assert max(wide.size) <= 64


def test_what_is_not_finite_is_said_in_marks():
    assert [number(v) for v in (NAN, "Infinity", None, 2)] == ["NaN", "∞", "—", "2"]
    assert "not finite" in spark([NAN, NAN], "it")
    assert "all 0" in spark([0, 0], "it")
    assert spark([1, "NaN", 100], "it").count("cross") == 1
    assert "no finite value" in ridges(
        [("0", None), ("1", {"low": 0, "high": 1, "counts": [0]})], ""
    )


def test_outputs_that_are_not_finite_are_counted(folder, digit):
    y = np.load(folder / "y.npy")
    y[3, 2] = NAN
    p, t, calibrated = _probabilities(SoftmaxCrossEntropy(), y, digit[3])
    found = _classes(SoftmaxCrossEntropy(), p, t, calibrated, Meaning())
    assert found["without"] == "1 of 359 outputs are not finite"


@pytest.mark.parametrize("last", [[], [Sigmoid()]])
def test_one_output_for_yes_or_no_gives_two_classes(tmp_path, rng, last):
    x = rng.normal(size=(60, 3))
    t = (x[:, :1] > 0.3).astype(int)
    network = Sequential(Affine(1), *last)
    fit(
        network, x, t, epochs=3, callbacks=[Record(tmp_path, classes=["no", "yes"])], progress=False
    )
    seen = read_run(tmp_path)["seen"]
    y = network.predict(x)[:, 0]
    p = y if last else 1 / (1 + np.exp(-y.astype(float)))
    assert seen["confusion"] == confusion_matrix((p > 0.5).astype(int), t[:, 0]).tolist()
    losses = -np.log(np.where(t[:, 0], p, 1 - p))
    assert seen["worst"][0]["loss"] == pytest.approx(losses.max(), rel=1e-5)
    assert seen["worst"][0]["target"] in ("no", "yes")


class SquaredScores:
    """A loss of one's own, of scores that are no probabilities."""

    def forward(self, y, t):
        self.difference = y - 3 * np.eye(3, dtype=y.dtype)[t]
        return np.square(self.difference).mean()

    def backward(self, dloss=1.0):
        return dloss * 2 * self.difference / self.difference.size


def test_scores_that_are_no_probabilities_are_ordered_all_the_same(tmp_path, rng):
    x, t = rng.normal(size=(60, 3)), np.arange(60) % 3
    fit(Sequential(Affine(3)), x, t, loss=SquaredScores(), epochs=1, callbacks=[Record(tmp_path)],
        progress=False)  # fmt: skip
    seen = read_run(tmp_path)["seen"]
    assert "calibration" not in seen
    assert np.sum(seen["confusion"]) == 60


def test_ignored_labels_are_left_out(tmp_path, rng):
    x, t = rng.normal(size=(60, 3)), np.where(np.arange(60) % 5 == 0, -1, np.arange(60) % 3)
    fit(Sequential(Affine(3)), x, t, loss=SoftmaxCrossEntropy(ignore_index=-1), epochs=1,
        callbacks=[Record(tmp_path)], progress=False)  # fmt: skip
    seen = read_run(tmp_path)["seen"]
    assert np.sum(seen["confusion"]) == 48
    assert "<svg" in seen["graph"]
    assert all(one["number"] % 5 for one in seen["worst"])


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("graph", "<svg><script>alert(1)</script></svg>", "it.seen.graph must be an SVG"),
        ("graph", '<svg onload="x()"></svg>', "it.seen.graph must be an SVG"),
        ("worst", [{"number": 0, "target": "", "output": "", "loss": 1, "picture": "http://x"}],
         "picture must be a picture"),
        ("confusion", [["<b>"]], "must be an integer"),
        ("diagnosis", {"findings": [{}], "readings": []}, "lacks 'name'"),
    ],
)  # fmt: skip
def test_a_run_file_with_foreign_content_is_refused(folder, tmp_path, part, value, said):
    run = read_run(folder / "good")
    run["seen"][part] = value
    write_run(tmp_path / "run.json", run)
    with pytest.raises(ValueError, match=said):
        run_report(tmp_path, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_words_in_a_graph_are_no_attributes():
    text = '<svg><text x="1">one on two = 3, href</text></svg>'
    assert FORM({"graph": text}, "seen")["graph"] == text
    with pytest.raises(ValueError, match="must be an SVG"):
        FORM({"graph": '<svg><g id="a" onclick = "x()"></g></svg>'}, "seen")


def test_long_curves_are_thinned_and_lose_nothing_that_is_not_finite(folder, tmp_path):
    run = read_run(folder / "good")
    values = [1.0] * 5000
    values[1234] = NAN
    run["result"]["columns"] = {"loss": values}
    write_run(tmp_path / "run.json", run)
    page = run_report(tmp_path)
    data = json.loads(re.search(r'id="runs">(.*?)</script>', page)[1])
    drawn = data["runs"][0]["columns"]["loss"]
    assert (data["every"], len(drawn), drawn.index("NaN")) == (5, 1000, 246)
    assert len(page) < 500_000


def test_the_command_writes_the_page(folder, tmp_path):
    out = tmp_path / "page.html"
    runs = [str(folder / "good"), str(folder / "bad")]
    done = CliRunner().invoke(main, ["report", *runs, "--out", str(out)])
    assert done.exit_code == 0
    assert "<title>2 runs</title>" in out.read_text()
    none = CliRunner().invoke(main, ["report", str(tmp_path / "none")])
    assert none.exit_code == 2
    assert none.output.count("\n") == 1
    with pytest.raises(ValueError, match="one run or more"):
        run_report()


PROBE = """<script>
const say = {}; const slide = document.getElementById("smooth");
const curves = () => [...document.querySelectorAll("#curves figure")];
say.names = curves().map(f => f.querySelector("figcaption").textContent);
say.lines = curves()[0].querySelectorAll("path[stroke]").length;
slide.value = 0.5; slide.dispatchEvent(new Event("input", {bubbles: true}));
say.smoothed = curves()[0].querySelectorAll("path[stroke]").length;
const press = key => curves()[0].querySelector("svg").dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true}));
press("End"); say.read = curves()[0].querySelector(".read").textContent;
document.getElementById("log").click();
say.label = curves()[0].querySelector("svg").getAttribute("aria-label");
document.querySelectorAll("input[name=run]")[0].click();
say.one = curves()[0].querySelectorAll("path[stroke]").length;
say.notes = curves().map(f => f.querySelector(".note").textContent).join("");
say.wide = document.documentElement.scrollWidth; say.window = innerWidth;
document.body.insertAdjacentHTML("beforeend", "<pre id=said></pre>");
document.getElementById("said").textContent = JSON.stringify(say);
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_in_a_browser_it_works_without_an_error(folder, tmp_path):
    run = read_run(folder / "good")
    run["result"]["columns"]["loss"][1] = NAN
    write_run(tmp_path / "other.json", run)
    page = run_report(folder / "good", tmp_path / "other.json").replace(
        "</body>", PROBE + "</body>"
    )
    (tmp_path / "page.html").write_text(page)
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--window-size=500,800", "--enable-logging=stderr", "--dump-dom", f"file://{tmp_path}/page.html"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    (said,) = re.findall(r'<pre id="said">(.*?)</pre>', done.stdout)
    said = json.loads(said.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    assert said["names"] == ["loss", "accuracy", "learning rate"]
    assert (said["lines"], said["smoothed"], said["one"]) == (4, 8, 4)
    from handgrad.plots import smoothed

    loss = smoothed(run["result"]["columns"]["val_loss"], 0.5)[-1]
    assert f"other, held out {float(f'{loss:.4g}'):g}" in said["read"]
    assert said["label"].startswith("loss by epoch, at the end: good training 0.")
    assert said["notes"] == "other, training: not drawn at epoch 2: NaN"
    assert said["wide"] <= said["window"]


def test_the_command_lets_the_doctor_look_and_the_page_shows_it(tmp_path):
    out = str(tmp_path / "out")
    runner = CliRunner()
    train = ["train", "--data", "xor", "--net", "2-6-2", "--epochs", "4", "--no-proof", "--quiet"]
    assert runner.invoke(main, [*train, "--out", out]).exit_code == 0
    seen = read_run(out)["seen"]["diagnosis"]
    assert {p["path"] for p in seen["readings"][0]["parameters"]} >= {"1.W", "1.b", "3.W", "3.b"}
    page = run_report(out)
    assert page.count('class="ridge"') >= 4 * len(seen["readings"])
    assert "By the curves alone" not in page
    assert runner.invoke(main, ["replay", out, "--quiet"]).exit_code == 0


def test_empty_ends_of_a_histogram_take_no_room():
    zeros = {"low": -0.5, "high": 0.5, "counts": [0, 0, 0, 0, 7, 0, 0, 0, 0, 0]}
    drawn = ridges([("0", zeros)], "it")
    assert [float(v) for v in re.findall(r">(-?[\d.e-]+)</text>", drawn)][1:] == [-0.1, 0.0]


def test_a_run_that_has_not_ended_or_cannot_be_replayed_has_a_page(folder, tmp_path):
    run = read_run(folder / "good")
    write_run(tmp_path / "run.json", run | {"result": None, "seen": {}})
    page = run_report(tmp_path)
    assert "not yet" in page
    assert "The run has not ended." in page
    assert "no epoch has been recorded" in page  # the script says it
    refused = {"start": None, "training": None, "refused": ["optimizer is <yours>"]}
    write_run(tmp_path / "run.json", run | refused)
    assert "It cannot be replayed: optimizer is &lt;yours&gt;." in run_report(tmp_path)
