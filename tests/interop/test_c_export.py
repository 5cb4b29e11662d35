"""export_c: losses, integers of 8 bits, the self-test, sizes, other processors, and refusals."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest

import handgrad as hg
from handgrad.interop.c import export_c
from tests.interop.compiled import FLAGS, Compiled, build, close, needs_compiler, self_test

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((4, 2, 8, 8)).astype(np.float32)
ARM = shutil.which("arm-linux-gnueabihf-gcc"), shutil.which("qemu-arm")


def images():
    return hg.Sequential(
        hg.Convolution(4, 3, pad=1), hg.BatchNorm(), hg.ReLU(), hg.MaxPooling(2), hg.Flatten(),
        hg.Affine(6), hg.Residual(hg.Affine(6), hg.Tanh()), hg.Affine(3), seed=1,
    )  # fmt: skip


def sequences():
    return hg.Sequential(
        hg.Embedding(7, 4), hg.LSTM(5), hg.GRU(3), hg.Flatten(), hg.Affine(2), seed=1
    )


@needs_compiler
@pytest.mark.parametrize("loss", [
    hg.SoftmaxCrossEntropy(), hg.SigmoidCrossEntropy(), hg.MeanSquaredError(),
    hg.SumSquaredError(), hg.MeanAbsoluteError(), hg.Huber(0.3),
], ids=lambda loss: type(loss).__name__)  # fmt: skip
def test_losses_test_themselves(loss, tmp_path):
    network = hg.Sequential(hg.Affine(4, inputs=3), hg.Tanh(), hg.Affine(5), seed=2)
    e = export_c(network, tmp_path / "net", batch=3, loss=loss, optimizer=hg.Adam())
    done = self_test(e.source)
    assert done.returncode == 0, done.stdout


@needs_compiler
def test_self_test_under_sanitizers(tmp_path):
    flags = "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
    ids = RNG.integers(0, 7, (3, 6))
    for network, x, name in ((images(), IMAGES, "images"), (sequences(), ids, "sequences")):
        e = export_c(network, tmp_path / name, batch=3, x=x, loss=hg.SoftmaxCrossEntropy())
        done = self_test(e.source, *flags)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@needs_compiler
def test_the_self_test_says_what_differs(tmp_path):
    network = hg.Sequential(hg.Affine(4, inputs=3), hg.Tanh(), hg.Affine(5), seed=2)
    e = export_c(network, tmp_path / "net.c", loss=hg.MeanSquaredError())
    right = e.source.read_text()
    e.source.write_text(right.replace("dy[i] * (1 - y[i] * y[i])", "dy[i] * (1 - y[i])"))
    done = self_test(e.source)
    assert done.returncode == 1
    assert "dW0[" in done.stdout
    assert "in Python" in done.stdout
    assert "dW2[" not in done.stdout  # which does not depend on it


@needs_compiler
def test_weights_of_8_bits(tmp_path):
    network = hg.Sequential(
        hg.Convolution(4, 3, pad=1), hg.ReLU(), hg.Flatten(), hg.Affine(6), hg.Reshape((-1, 2, 3)),
        hg.LSTM(5), seed=1,
    )  # fmt: skip
    whole = export_c(network, tmp_path / "whole.c", x=IMAGES, training=False)
    e = export_c(network, tmp_path / "small.c", x=IMAGES, training=False, weights="int8")
    assert self_test(e.source).returncode == 0
    assert 0 < e.error < 0.02
    assert e.weights < 0.4 * whole.weights
    assert f"{e.error:.1e}" in e.header.read_text()


@needs_compiler
def test_training_by_batch_norm_and_many_steps(tmp_path):
    network, x = images(), IMAGES
    t = np.array([0, 1, 2, 1], np.int32)
    e = export_c(network, tmp_path / "net.c", batch=4, x=x, loss=hg.SoftmaxCrossEntropy(),
                 optimizer=hg.SGD(0.05))  # fmt: skip
    c, twin, rule = Compiled(e, "-O3"), network.astype(np.float64), hg.SGD(0.05)
    for _ in range(5):
        loss = hg.SoftmaxCrossEntropy()
        expected = loss.forward(twin.forward(x.astype(np.float64)), t)
        twin.backward(loss.backward()[0])
        rule.step(twin)
        close(c.backward(x, t), expected, "loss")
        c.update(0.05)
    close(c.predict(x, (4, 3)), twin.predict(x, engine="numpy"), "y", 1e-4)  # after 5 steps


class Twice(hg.Network):
    """A layer that draws twice in one step."""

    seed = 3

    def __init__(self):
        self.first, self.drop, self.last = hg.Affine(7), hg.Dropout(0.5), hg.Affine(3)

    def __call__(self, x):
        return self.last(self.drop(self.first(self.drop(x))))


TABLE = np.stack([RNG.normal(size=4), [0, 3, 1, 2], RNG.normal(size=4), [2, 0, 1, 2]], 1)
DRAWING = {
    "dropout": (hg.Sequential(hg.Affine(16), hg.Dropout(0.4), hg.Affine(9),
                              hg.Dropout(0.2, scaled=True), hg.Affine(3), seed=2**63 + 3), TABLE),
    "twice": (Twice(), TABLE),
    "channels": (hg.Sequential(hg.Convolution(4, 3), hg.SpatialDropout(0.5), hg.Flatten(),
                               hg.Affine(3), seed=5), IMAGES),
    "steps": (hg.Sequential(hg.Reshape((-1, 2, 64)), hg.Affine(6), hg.VariationalDropout(0.3),
                            hg.LSTM(4), hg.Flatten(), hg.Affine(3), seed=5), IMAGES),
    "recurrent": (hg.Sequential(
        hg.Reshape((-1, 4, 32)), hg.RNN(6, recurrent_dropout=0.3),
        hg.LSTM(5, recurrent_dropout=0.5), hg.GRU(4, recurrent_dropout=0.4),
        hg.GRU(3, reset="before", recurrent_dropout=0.4),
        hg.Flatten(), hg.Affine(3), seed=5), IMAGES),
    "columns": (hg.Sequential(hg.ColumnEmbedding((3, 1), (3, 4), 3), hg.Affine(3), seed=2), TABLE),
    "columns behind": (hg.Sequential(hg.Affine(4), hg.Softplus(),
                                     hg.ColumnEmbedding((2,), (9,), 3), hg.Affine(3), seed=2),
                       TABLE * 0.1),
}  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("name", DRAWING)
def test_many_steps_with_the_masks_of_python_and_weighted_classes(name, tmp_path):
    network, x = DRAWING[name]
    x, t = x.astype(np.float32), np.array([0, 1, 2, 1], np.int32)
    weighted = hg.SoftmaxCrossEntropy(class_weights=[1.0, 3.0, 0.5])
    network.build(x)
    network.forward(x)  # the masks go on from where Python's are
    e = export_c(network, tmp_path / "net", batch=4, x=x, loss=weighted, optimizer=hg.SGD(0.05))
    assert self_test(e.source).returncode == 0
    c, twin, rule = Compiled(e), network.astype(np.float64), hg.SGD(0.05)
    for _ in range(3):
        expected = weighted.forward(twin.forward(x.astype(np.float64)), t)
        twin.backward(weighted.backward()[0])
        rule.step(twin)
        close(c.backward(x, t), expected, "loss")
        c.update(0.05)
    close(c.predict(x, (4, 3)), twin.predict(x, engine="numpy"), "y", 1e-4)


@needs_compiler
def test_sizes_are_those_of_the_compiler(tmp_path):
    drawing = hg.Sequential(*images().layers, hg.Dropout(0.5), hg.Affine(2))
    e = export_c(drawing, tmp_path / "net.c", batch=2, x=IMAGES, optimizer=hg.Adam())
    small = export_c(images(), tmp_path / "small.c", x=IMAGES, training=False, weights="int8")
    for exported in (e, small):
        name = exported.source.stem
        main = tmp_path / f"{name}_sizes.c"
        main.write_text(
            f'#include "{name}.h"\n#include <stdio.h>\nint main(void)\n{{\n    printf("%d %d", '
            f"(int)sizeof({name}_weights), (int)sizeof({name}_state));\n    return 0;\n}}\n"
        )
        out = subprocess.run([str(build(main))], capture_output=True, text=True).stdout
        assert out == f"{exported.weights} {exported.state}"
        assert f"{exported.weights:,} bytes" in exported.header.read_text()


@needs_compiler
def test_scaling_of_the_data_and_frozen_and_tied_parameters(tmp_path):
    network = hg.Sequential(
        hg.Standardize([1.0, 2.0], [0.5, 3.0]), hg.Affine(3), hg.Affine(3), hg.Affine(3), seed=4
    )
    x = RNG.standard_normal((2, 2)).astype(np.float32)
    network.build(x).tie("2.W", "3.W").freeze("1")
    e = export_c(network, tmp_path / "net.c", batch=2, x=x, loss=hg.MeanSquaredError())
    done = self_test(e.source)
    assert done.returncode == 0, done.stdout
    header = e.header.read_text()
    assert "dW2[" in header
    assert "dW1[" not in header
    assert "W3[" not in header


@needs_compiler
def test_what_was_trained_goes_on_learning(tmp_path):
    x, t = RNG.standard_normal((20, 3)).astype(np.float32), RNG.integers(0, 2, 20)
    network, rule = hg.Sequential(hg.Affine(4), hg.Tanh(), hg.Affine(2)), hg.Adam(0.01)
    hg.fit(network, x, t, optimizer=rule, epochs=2, progress=False)
    before, steps = network.parameters.copy(), rule.steps
    e = export_c(network, tmp_path / "net.c", loss=hg.SoftmaxCrossEntropy(), optimizer=rule)
    assert self_test(e.source).returncode == 0
    np.testing.assert_array_equal(network.parameters, before)  # and nothing else has changed
    assert rule.steps == steps
    assert network.training


@needs_compiler
def test_views_as_outputs(tmp_path):
    one = hg.Sequential(hg.Affine(6, inputs=3), hg.Reshape((-1, 2, 3)), seed=1)
    two = hg.Sequential(hg.Flatten(), hg.Affine(2), hg.Flatten(), seed=1)
    x = np.zeros((1, 2, 2), np.float32)
    assert self_test(export_c(one, tmp_path / "one").source, "-O3").returncode == 0
    e = export_c(two, tmp_path / "two", x=x, batch=2, loss=hg.Huber())
    assert self_test(e.source, "-O3").returncode == 0


@pytest.mark.skipif(not all(ARM), reason="no cross compiler for 32-bit ARM, or no emulator")
def test_on_32_bit_arm(tmp_path):
    for network, x, name in ((images(), IMAGES, "images"),
                             (sequences(), RNG.integers(0, 7, (3, 6)), "sequences")):  # fmt: skip
        e = export_c(network, tmp_path / name, batch=2, x=x, loss=hg.SoftmaxCrossEntropy())
        macro = f"-D{name.upper()}_SELF_TEST"
        program = build(e.source, macro, "-O2", "-static", compiler="arm-linux-gnueabihf-gcc")
        done = subprocess.run(["qemu-arm", str(program)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_all_that_has_no_form_is_named_and_nothing_written(tmp_path):
    network = hg.Sequential(
        hg.Affine(4, inputs=3), hg.Sin(), hg.Affine(4), hg.Cos(), seed=1
    )  # fmt: skip
    with pytest.raises(ValueError) as error:
        export_c(network, tmp_path / "net.c")
    text = str(error.value)
    assert "1 Sin (no form in C)" in text
    assert "3 Cos (no form in C)" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("options", "text"), [
    ({"batch": 0}, "batch must be an integer of at least 1, got 0"),
    ({"name": "7up"}, "name must be a name in C, such as model, got '7up'"),
    ({"name": "float"}, "name must be a name in C, such as model, got 'float'"),
    ({"weights": "int4"}, '"float32" or "int8", got \'int4\''),
    ({"weights": "int8"}, "give training=False"),
    ({"optimizer": hg.RMSProp()}, "RMSProp (no form in C; there are SGD, Adam, AdamW)"),
    ({"optimizer": hg.SGD(clip_norm=1.0)}, "SGD (clip_norm in C)"),
    ({"loss": hg.Hinge()}, "Hinge (no form in C; there are SoftmaxCrossEntropy"),
    ({"loss": hg.SoftmaxCrossEntropy(label_smoothing=0.1)}, "(label_smoothing in C)"),
    ({"x": np.float32(1)}, "x must be samples"),
])  # fmt: skip
def test_bad_options_are_refused(options, text, tmp_path):
    network = hg.Sequential(hg.Affine(4, inputs=3), seed=1)
    with pytest.raises(ValueError) as error:
        export_c(network, tmp_path / "net.c", **options)
    assert text in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_parameters_that_are_not_finite_or_do_not_learn_are_refused(tmp_path):
    network = hg.Sequential(hg.Affine(4, inputs=3), seed=1).build()
    network.freeze("0")
    with pytest.raises(ValueError, match="no parameter learns; give training=False"):
        export_c(network, tmp_path / "net.c")
    network.layers[0].W[0, 0] = np.nan
    with pytest.raises(ValueError, match="every parameter must be finite"):
        export_c(network, tmp_path / "net.c", training=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_of_the_header_is_refused(tmp_path):
    (tmp_path / "net.h").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        export_c(hg.Sequential(hg.Affine(4, inputs=3)), tmp_path / "net.c")
    assert not (tmp_path / "net.c").exists()


def test_what_is_not_a_network_of_known_input_is_refused(tmp_path):
    for network, text in (
        (hg.Affine(3), "must be a Network, got Affine"),
        (hg.Sequential(hg.Affine(3)), "x=samples is needed"),
        (hg.Sequential(hg.ReLU()), "x=samples is needed"),
        (hg.Sequential(hg.Affine(3, inputs=2), dtype="float64"), "float32"),
    ):
        with pytest.raises(ValueError, match=text):
            hg.export_c(network, tmp_path / "net.c")


@needs_compiler
def test_a_file_may_be_called_as_one_of_its_functions(tmp_path):
    network = hg.Sequential(
        hg.RNN(4), hg.LSTM(4), hg.GRU(4), hg.Flatten(), hg.Affine(2), hg.Softmax()
    )
    x, more = np.zeros((2, 3, 2), np.float32), {"loss": hg.Huber(), "optimizer": hg.Adam()}
    e = export_c(network, tmp_path / "net.c", x=x, **more)
    functions = re.findall(r"^static [\w ]+ \*?(\w+)\(", e.source.read_text(), re.M)
    stems = {name.removesuffix("_backward") for name in functions if name.endswith("_backward")}
    assert "lstm" in stems
    for name in {*stems, "adam", "W0", "memset"}:
        e = export_c(network, tmp_path / f"{name}.c", x=x, **more)
        command = ["cc", *FLAGS, "-fsyntax-only", f"-D{name.upper()}_SELF_TEST", str(e.source)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert self_test(tmp_path / "lstm.c").returncode == 0
