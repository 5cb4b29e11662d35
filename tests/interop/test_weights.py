"""Weights by name, in the files of others: all fit, or nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save_file

from handgrad import Affine, BatchNorm, Embedding, ReLU, Sequential
from handgrad.interop.files import load_weights, save_weights

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)


def made(seed: int = 0) -> Sequential:
    network = Sequential(Affine(4), BatchNorm(), ReLU(), Affine(2), seed=seed)
    network.build(X)
    return network


def changed() -> Sequential:
    network = made(1)
    network.train()
    network.forward(X)  # moves the running mean
    return network


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_there_and_back(tmp_path, suffix):
    first, second = changed(), made(2)
    path = save_weights(first, tmp_path / f"weights{suffix}")
    names = load_weights(second, path)
    assert sorted(names) == sorted(["0.W", "0.b", "1.beta", "1.gamma", "1.running_mean",
                                    "1.running_var", "3.W", "3.b"])  # fmt: skip
    np.testing.assert_array_equal(second.predict(X), first.predict(X))


def test_of_another_library_by_mapping_and_transposed(tmp_path):
    network, rng = made(), np.random.default_rng(1)
    theirs = {"fc1.weight": rng.normal(size=(4, 3)), "fc1.bias": rng.normal(size=4)}
    np.savez(tmp_path / "theirs.npz", **theirs)
    names = {"0.W": "fc1.weight", "0.b": "fc1.bias"}
    load_weights(network, tmp_path / "theirs.npz", names=names, transpose=["0.W"], partial=True)
    np.testing.assert_allclose(network.layers[0].W, theirs["fc1.weight"].T, rtol=1e-6)
    np.testing.assert_allclose(network.layers[0].b, theirs["fc1.bias"], rtol=1e-6)


def test_names_by_a_function(tmp_path):
    arrays = {f"model.{n}": np.ones_like(a) for n, a in _arrays(made()).items()}
    save_file(arrays, tmp_path / "theirs.safetensors")
    network = made()
    load_weights(network, tmp_path / "theirs.safetensors", names=lambda name: f"model.{name}")
    assert (network.layers[3].W == 1).all()


def _arrays(network):
    return {f"{i}.{n}": np.asarray(getattr(network.layers[i], n))
            for i, n in ((0, "W"), (0, "b"), (1, "gamma"), (1, "beta"), (1, "running_mean"),
                         (1, "running_var"), (3, "W"), (3, "b"))}  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda a: {k: v for k, v in a.items() if k != "3.b"}, r"missing: '3\.b'$"),
        (
            lambda a: {k.replace("3.b", "3.bais"): v for k, v in a.items()},
            r"missing: '3\.b' \(near: '3\.bais'\); of no use here: '3\.bais' \(near: '3\.b'\)$",
        ),
        (lambda a: a | {"4.W": a["3.W"]}, r"of no use here: '4\.W'$"),
        (
            lambda a: a | {"0.W": a["0.W"].T},
            r"0\.W has shape \(4, 3\).*\(3, 4\); transpose=\['0\.W'\]",
        ),
        (lambda a: a | {"0.b": np.zeros(4, int)}, r"0\.b holds int64, real numbers are needed"),
    ],
    ids=["missing", "misspelt", "too many", "transposed", "integers"],
)
def test_what_does_not_fit_is_told_and_nothing_is_changed(tmp_path, spoil, said):
    network = made()
    before = network.parameters.copy()
    np.savez(tmp_path / "spoilt.npz", **spoil(_arrays(changed())))
    with pytest.raises(ValueError, match=said):
        load_weights(network, tmp_path / "spoilt.npz")
    np.testing.assert_array_equal(network.parameters, before)


def test_all_that_is_missing_is_told_at_once(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    with pytest.raises(ValueError, match=r"missing: .* and 3 more; of no use here: 'a'"):
        load_weights(made(), tmp_path / "other.npz")
    with pytest.raises(ValueError, match="none of its names is wanted"):
        load_weights(made(), tmp_path / "other.npz", partial=True)


def test_names_that_the_network_has_not(tmp_path):
    path = save_weights(made(), tmp_path / "w.npz")
    with pytest.raises(ValueError, match=r"the network has no '0\.w' \(near: '0"):
        load_weights(made(), path, transpose=["0.w"])


def test_a_network_without_sizes_and_other_files(tmp_path):
    with pytest.raises(ValueError, match="has no size yet"):
        save_weights(Sequential(Affine(2)), tmp_path / "w.npz")
    with pytest.raises(
        ValueError, match=r"ending in \.safetensors or \.npz is needed, got 'w\.pt'"
    ):
        save_weights(made(), tmp_path / "w.pt")
    (tmp_path / "w.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_weights(made(), tmp_path / "w.safetensors")


def test_a_tied_parameter_is_written_once(tmp_path):
    network = Sequential(Embedding(5, 3), Affine(5, inputs=3, bias=False))
    network.build(np.array([[1, 2]]))
    arrays = dict(np.load(save_weights(network, tmp_path / "w.npz")))
    assert set(arrays) == {"0.W", "1.W"}
