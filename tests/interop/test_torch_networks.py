"""PyTorch both ways: modules in, weights in and out, our layers among its modules."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is what this is about")

from handgrad import (  # noqa: E402
    Affine,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    Tensor,
    fit,
    save,
)
from handgrad import check as prove  # noqa: E402
from handgrad.interop.torch import (  # noqa: E402
    as_torch,
    from_torch,
    load_state_dict,
    read_pt,
    state_arrays,
    state_dict,
    verify,
)

nn = torch.nn


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.second = nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4)
        self.out = nn.Sequential(nn.Linear(4, 3), nn.Tanh())

    def forward(self, x):
        return self.out(x + self.second(torch.relu(self.first(self.norm(x)))))


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(10, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(10, 10)

    def forward(self, x):
        y, _ = self.lstm(self.words(x))
        return self.scores(y)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        y, _ = self.gru(x)
        return self.out(y[:, -1])


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads, self.norm = nn.MultiheadAttention(6, 2, batch_first=True), nn.LayerNorm(6)

    def forward(self, x):
        y, _ = self.heads(x, x, x)
        return self.norm(x + y)


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = nn.Conv2d(1, 2, 3), nn.Linear(18, 2)

    def forward(self, x):
        y = torch.nn.functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.out(y.view(x.size(0), -1))


PLAIN = {
    "dense": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Identity(),
                                    nn.Linear(5, 3, bias=False)), (6, 4)),
    "pictures": (lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 4, 3, stride=2, groups=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(), nn.Linear(4, 2), nn.LogSoftmax(-1)), (2, 1, 12, 12)),
    "transposed": (lambda: nn.Sequential(
        nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.GELU(),
        nn.GroupNorm(2, 4), nn.PReLU(4), nn.AvgPool2d(2)), (2, 3, 5, 5)),
    "sounds": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ELU(), nn.MaxPool1d(2),
                                     nn.LeakyReLU(0.2)), (2, 2, 9)),
    "residual": (Residual, (3, 4)),
    "language": (LanguageModel, (2, 7)),
    "gated": (Gated, (2, 5, 3)),
    "attentive": (Attentive, (2, 5, 6)),
    "functions": (Pictures, (2, 1, 8, 8)),
}  # fmt: skip


def module_and_input(name):
    torch.manual_seed(0)
    make, shape = PLAIN[name]
    x = torch.randint(0, 10, shape) if name == "language" else torch.randn(shape)
    module = make().eval()
    for buffer in module.buffers():  # as after some training
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module, x


@pytest.mark.parametrize("name", PLAIN)
def test_a_module_comes_in_and_every_value_and_gradient_is_the_same(name):
    module, x = module_and_input(name)
    network = from_torch(module, x)
    found = verify(network, module, x.numpy())
    assert found, str(found)
    assert {row.what for row in found.rows} >= {"output", "gradient of the output"}


@pytest.mark.parametrize("name", PLAIN)
def test_weights_go_out_and_in_under_pytorchs_names(name):
    module, x = module_and_input(name)
    network = from_torch(module, x)
    state = state_dict(network)
    assert set(state) == set(module.state_dict())
    other = type(module)() if name in ("residual", "language", "gated", "attentive", "functions") \
        else PLAIN[name][0]()  # fmt: skip
    other.load_state_dict(state)
    with torch.no_grad():
        np.testing.assert_allclose(other.eval()(x), module(x), rtol=1e-5, atol=1e-6)
    again = from_torch(other, x)
    load_state_dict(again, module.state_dict())
    for key, array in state_arrays(network).items():
        np.testing.assert_array_equal(state_arrays(again)[key], array)


def test_what_came_in_learns_natively_where_its_layers_do():
    module, x = module_and_input("dense")
    network = from_torch(module, x)
    t = np.array([0, 2, 1, 1, 0, 2])
    history = fit(network, x.numpy(), t, loss=SoftmaxCrossEntropy(), epochs=100, engine="native")
    assert history["loss"][-1] < 0.7 * history["loss"][0]


def test_all_that_has_no_counterpart_is_named_at_once():
    module = nn.Sequential(nn.Linear(3, 3), nn.Fold((4, 5), (2, 2)), nn.LSTM(3, 3))
    with pytest.raises(ValueError, match=r"1 \(Fold has no layer here\); 2 \(LSTM: batch_first=F"):
        from_torch(module, torch.zeros(2, 3))

    class Odd(nn.Module):
        def forward(self, x):
            return torch.fft.fft(x)

    with pytest.raises(ValueError, match="no counterpart for .*fft"):
        from_torch(Odd(), torch.zeros(2, 3))

    class Looks(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ValueError, match="torch.fx cannot trace Looks: "):
        from_torch(Looks(), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="give an example"):
        from_torch(nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"a torch\.nn\.Module is needed"):
        from_torch(3, torch.zeros(1))


class Limits(nn.Module):
    def forward(self, x):
        x = torch.clamp(x.clamp(max=0.8), min=-0.5) + x.clip(-1, 0.2)
        return torch.maximum(x, -x).clamp_min(0.1) * torch.minimum(x, torch.relu(x)).clamp_max(0.4)


@pytest.mark.parametrize(("module", "shapes"), [
    (Limits(), [(3, 4)]), (torch.nn.Linear(3, 2), [(3, 3)]), (torch.nn.ReLU(), [(3, 4)]),
    (torch.nn.LSTM(3, 2, batch_first=True), [(2, 4, 3)]),
    (torch.nn.MultiheadAttention(4, 2, batch_first=True), [(2, 3, 4)] * 3),
], ids=lambda m: type(m).__name__)  # fmt: skip
def test_limits_and_modules_that_are_one_layer(module, shapes):
    xs = [
        torch.tensor(np.random.default_rng(0).normal(size=s).astype("f4"), requires_grad=True)
        for s in shapes
    ]
    network = from_torch(module, *(x.detach() for x in xs))
    y = module(*xs)
    y = y[0] if isinstance(y, tuple) else y
    dy = np.random.default_rng(0).normal(size=tuple(y.shape)).astype("f4")
    y.backward(torch.tensor(dy))
    network.forward(*(x.detach().numpy() for x in xs))
    found = network.backward(dy)
    for x, dx in zip(xs, found if isinstance(found, tuple) else (found,)):
        np.testing.assert_allclose(dx, x.grad.numpy(), rtol=1e-4, atol=1e-5)
    assert state_dict(network).keys() == module.state_dict().keys()


def test_a_module_of_pytorchs_own_without_counterpart_is_named():
    module = torch.nn.TransformerEncoderLayer(8, 2, batch_first=True)
    with pytest.raises(ValueError, match="the module .TransformerEncoderLayer has no layer here"):
        from_torch(module, torch.zeros(2, 3, 8))


def test_verify_names_the_first_layer_that_differs():
    module, x = module_and_input("residual")
    network = from_torch(module, x)
    network.inner["second"].W[1, 2] += 0.5
    found = verify(network, module, x.numpy())
    assert not found
    assert (found.first.layer, found.first.what) == ("second", "output")
    assert "ours is" in str(found)


def test_verify_against_an_onnx_file(tmp_path):
    from handgrad.interop import onnx

    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    network = Sequential(Affine(5), Tanh(), Affine(2))
    network.build(x)
    onnx.save(network, tmp_path / "network.onnx", example=x)
    assert verify(network, tmp_path / "network.onnx", x)
    network.layers[0].W[0, 0] += 1
    assert not verify(network, tmp_path / "network.onnx", x)


def test_a_traced_module_goes_out_as_onnx(tmp_path):
    from handgrad.interop import onnx

    module, x = module_and_input("residual")
    network = from_torch(module, x)
    onnx.save(network, tmp_path / "m.onnx", example=x.numpy())
    found = onnx.verify(network, tmp_path / "m.onnx", x.numpy())
    assert found, str(found)
    assert len(found.rows) > 8
    with pytest.raises(ValueError, match="onnx.save.*writes it as an ONNX file"):
        save(network, tmp_path / "m.safetensors")


def test_names_that_do_not_fit_change_nothing():
    module, x = module_and_input("dense")
    network = from_torch(module, x)
    before = network.parameters.copy()
    state = module.state_dict()
    state["0.wieght"] = state.pop("0.weight")
    state["3.weight"] = state["3.weight"][:2]
    with pytest.raises(ValueError, match=r"missing: '0\.weight' \(near: .*; of no use "
                       r"here: '0\.wieght' .*; 3\.weight has shape \(2, 5\)"):  # fmt: skip
        load_state_dict(network, state)
    np.testing.assert_array_equal(network.parameters, before)


def test_a_layer_that_pytorch_has_not_is_named():
    with pytest.raises(ValueError, match=r"0 \(Own\): PyTorch has no such layer"):
        state_dict(Sequential(Own()))


def test_an_option_of_a_function_that_has_no_counterpart_is_named():
    class Pooled(nn.Module):
        def forward(self, x):
            return torch.nn.functional.max_pool2d(torch.add(x, x, alpha=2), 2, ceil_mode=True)

    with pytest.raises(ValueError, match=r"add: alpha=2.*max_pool2d: ceil_mode=True"):
        from_torch(Pooled(), torch.zeros(1, 1, 5, 5))


class Own:
    params = ("a",)

    def __init__(self):
        self.a, self.da = np.ones(2), None

    def forward(self, x):
        return self.a * x

    def backward(self, dy):
        self.da = dy.sum(0)
        return dy * self.a


class TestPtFiles:
    def test_a_state_dict_is_read_without_pytorch(self, tmp_path):
        module, x = module_and_input("pictures")
        torch.save(module.state_dict(), tmp_path / "m.pt")
        arrays = read_pt(tmp_path / "m.pt")
        for key, value in module.state_dict().items():
            np.testing.assert_array_equal(arrays[key], value.numpy())
        network = from_torch(PLAIN["pictures"][0](), x)
        load_state_dict(network, tmp_path / "m.pt")
        network.eval()
        assert verify(network, module, x.numpy())

    def test_views_and_other_kinds(self, tmp_path):
        whole = torch.arange(12.0).reshape(3, 4)
        state = {"turned": whole.T, "part": whole[1:, ::2], "half": whole.half(),
                 "long": whole.long(), "empty": torch.zeros(0, 3), "one": torch.tensor(2.5),
                 "learned": nn.Parameter(whole)}  # fmt: skip
        torch.save(state, tmp_path / "m.pt")
        for key, array in read_pt(tmp_path / "m.pt").items():
            np.testing.assert_array_equal(array, state[key].detach().numpy())

    def test_anything_else_in_the_file_is_refused(self, tmp_path):
        torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
        with pytest.raises(ValueError, match="refused: the file asks for torch.nn.modules.linear"):
            read_pt(tmp_path / "module.pt")
        torch.save({"a": [1, 2]}, tmp_path / "list.pt")
        with pytest.raises(ValueError, match="other things than tensors"):
            read_pt(tmp_path / "list.pt")
        (tmp_path / "no.pt").write_bytes(b"no zip")
        with pytest.raises(ValueError, match=r"not a \.pt file"):
            read_pt(tmp_path / "no.pt")

    def test_spoilt_files_raise_value_error_alone(self, tmp_path, rng):
        torch.save({"a": torch.arange(6.0).reshape(2, 3)}, tmp_path / "m.pt")
        whole = bytearray((tmp_path / "m.pt").read_bytes())
        for _ in range(300):
            spoilt = whole.copy()
            for _ in range(rng.integers(1, 6)):
                spoilt[rng.integers(len(spoilt))] = rng.integers(256)
            (tmp_path / "s.pt").write_bytes(bytes(spoilt))
            with contextlib.suppress(ValueError):
                read_pt(tmp_path / "s.pt")


class TestAsTorch:
    def make(self):
        return as_torch(
            Sequential(Affine(5), Tanh(), Affine(2), dtype=np.float64), np.zeros((1, 3))
        )

    def test_gradients_are_proved(self):
        module = self.make()
        x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(module, (x,))
        assert prove(module, x.detach())

    def test_an_optimizer_of_pytorchs_trains_our_weights(self):
        module = self.make()
        x = torch.randn(50, 3, dtype=torch.float64)
        t, rule = x[:, :2].sin(), torch.optim.Adam(module.parameters(), 0.05)
        losses = []
        for _ in range(60):
            rule.zero_grad()
            loss = ((module(x) - t) ** 2).mean()
            loss.backward()
            rule.step()
            losses.append(loss.item())
        assert losses[-1] < 0.1 * losses[0]
        with torch.no_grad():
            np.testing.assert_array_equal(module.layer.predict(x.numpy()), module.eval()(x))

    def test_used_twice_before_backward(self):
        module = self.make()
        a, b = (torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
        (module(a) * 2).sum().backward()
        alone = a.grad.clone(), next(module.parameters()).grad.clone()
        a.grad = None
        module.zero_grad()
        ((module(a) * 2).sum() + (module(b) * 3).sum()).backward()
        torch.testing.assert_close(a.grad, alone[0])
        assert not torch.equal(next(module.parameters()).grad, alone[1])

    def test_modes_and_what_is_no_layer(self):
        module = self.make()
        module.eval()
        assert not any(layer.training for layer in module.layer.layers)
        module.train()
        assert all(layer.training for layer in module.layer.layers)
        with pytest.raises(ValueError, match="a layer or network is needed"):
            as_torch(3)
        with pytest.raises(ValueError, match="has no size yet"):
            as_torch(Sequential(Affine(2)))


def test_elements_go_out_and_come_in_without_a_copy():
    ours = Tensor(np.arange(6.0).reshape(2, 3))
    theirs = torch.from_dlpack(ours)
    theirs[0, 0] = 7
    assert ours.data[0, 0] == 7
    np.testing.assert_array_equal(np.from_dlpack(ours), ours.data)
    given = torch.ones(2, 3, dtype=torch.float64)
    inside = Tensor(given.numpy())
    given[1, 2] = 5
    assert inside.data[1, 2] == 5


def test_tensors_of_pytorch_go_in_as_they_are():
    network = Sequential(Affine(2, inputs=3))
    x = torch.ones(4, 3)
    expected = network.predict(x.numpy())
    np.testing.assert_array_equal(network.predict(x), expected)
    np.testing.assert_array_equal(network.forward(x), expected)
    np.testing.assert_array_equal(Tensor(x.double()).data, np.ones((4, 3)))
    with pytest.raises(RuntimeError, match="detach"):
        network.predict(x.requires_grad_())
