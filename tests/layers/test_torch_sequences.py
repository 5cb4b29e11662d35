"""Recurrent layers, embedding and attention: the same numbers as PyTorch, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import layers
from handgrad.layer import slots

torch = pytest.importorskip("torch", reason="PyTorch is a peer, not a dependency")
pytestmark = [
    pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 3e-5)]),
]


def random_weights(layer, rng, *inputs):
    """Build the layer, and make every parameter random, biases too."""
    layer.build(*inputs)
    for slot in slots(layer):
        value = 0.5 * rng.standard_normal(slot.value.shape)
        slot.set(value.astype(slot.value.dtype))


def put(parameter, value):
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def leaves(*arrays):
    return [torch.tensor(a, requires_grad=True) for a in arrays]


def arrays(*tensors):
    return [t.detach().numpy() for t in tensors]


def agree(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def blocks(order, hidden):
    """Columns of our gates in the order of PyTorch's rows."""
    return np.concatenate([np.arange(k * hidden, (k + 1) * hidden) for k in order])


# ours: f g i o and z r n; PyTorch's: i f g o and r z n
RECURRENT = [("RNN", [0], 1), ("LSTM", [2, 0, 1, 3], 2), ("GRU", [1, 0, 2], 1)]


@pytest.mark.parametrize(("name", "order", "states"), RECURRENT)
@pytest.mark.parametrize(("batch", "steps"), [(3, 5), (1, 4), (2, 1)])
def test_recurrent(name, order, states, batch, steps, dtype, tolerance, rng):
    D, H = 3, 4
    x, *state = (rng.standard_normal(s).astype(dtype)
                 for s in ((batch, steps, D), *[(batch, H)] * states))  # fmt: skip
    layer = getattr(layers, name)(H, return_state=True)
    random_weights(layer, rng, x)
    columns = blocks(order, H)
    peer = getattr(torch.nn, name)(D, H, batch_first=True).to(torch.tensor(x).dtype)
    second = np.zeros(len(columns), dtype)
    if name == "GRU":
        second[2 * H :] = layer.bh
    values = layer.Wx[:, columns].T, layer.Wh[:, columns].T, layer.b[columns], second
    for parameter, value in zip(peer.parameters(), values):
        put(parameter, value)

    y, *last = layer(x, None, *state)
    given = leaves(x, *state)
    start = [s[None] for s in given[1:]]
    ty, end = peer(given[0], tuple(start) if states > 1 else start[0])
    end = end if states > 1 else (end,)
    agree([y, *last], arrays(ty, *(e[0] for e in end)), tolerance)

    upstream = [rng.standard_normal(a.shape).astype(dtype) for a in (y, *last)]
    dx, _, *dstate = layer.backward(*upstream)
    torch.autograd.backward((ty, *(e[0] for e in end)), [torch.tensor(u) for u in upstream])
    agree([dx, *dstate], [g.grad.numpy() for g in given], tolerance)
    dWx, dWh, db, db2 = (p.grad.numpy() for p in peer.parameters())
    agree([layer.dWx[:, columns].T, layer.dWh[:, columns].T, layer.db[columns]], [dWx, dWh, db],
          tolerance)  # fmt: skip
    if name == "GRU":
        agree([layer.dbh], [db2[2 * H :]], tolerance)


def test_lengths(dtype, tolerance, rng):
    x, lengths = rng.standard_normal((3, 5, 2)).astype(dtype), [5, 2, 1]
    layer = layers.RNN(4, return_state=True)
    random_weights(layer, rng, x)
    peer = torch.nn.RNN(2, 4, batch_first=True).to(torch.tensor(x).dtype)
    for parameter, value in zip(peer.parameters(), (layer.Wx.T, layer.Wh.T, layer.b, 0 * layer.b)):
        put(parameter, value)
    mask = layers.length_mask(lengths, 5)
    _, last = layer(x, mask)
    (leaf,) = leaves(x)
    pack = torch.nn.utils.rnn.pack_padded_sequence(leaf, lengths, batch_first=True)
    _, end = peer(pack)
    agree([last], arrays(end[0]), tolerance)
    dlast = rng.standard_normal(last.shape).astype(dtype)
    dx, _ = layer.backward(np.zeros((3, 5, 4), dtype), dlast)
    end.backward(torch.tensor(dlast)[None])
    agree([dx, layer.dWh.T], [leaf.grad.numpy(), peer.weight_hh_l0.grad.numpy()], tolerance)


def test_stacked_and_bidirectional(dtype, tolerance, rng):
    x = rng.standard_normal((2, 4, 3)).astype(dtype)
    inner = [layers.RNN(4) for _ in range(4)]
    layer = layers.Stacked([layers.Bidirectional(*inner[:2]), layers.Bidirectional(*inner[2:])])
    random_weights(layer, rng, x)
    peer = torch.nn.RNN(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    peer = peer.to(torch.tensor(x).dtype)
    values = [v for r in inner for v in (r.Wx.T, r.Wh.T, r.b, 0 * r.b)]
    for parameter, value in zip(peer.parameters(), values):
        put(parameter, value)
    y, (leaf,) = layer(x), leaves(x)
    ty, _ = peer(leaf)
    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(torch.tensor(dy))
    agree([y, layer.backward(dy)], [*arrays(ty), leaf.grad.numpy()], tolerance)
    theirs = [p.grad.numpy() for i, p in enumerate(peer.parameters()) if i % 4 != 3]
    agree([g for r in inner for g in (r.dWx.T, r.dWh.T, r.db)], theirs, tolerance)


def test_embedding(dtype, tolerance, rng):
    layer, ids = layers.Embedding(7, 3, seed=0), rng.integers(0, 7, (4, 5))
    layer.dtype = dtype
    y, (W,) = layer(ids), leaves(layer.W)
    ty = torch.nn.functional.embedding(torch.tensor(ids), W)
    dy = rng.standard_normal(y.shape).astype(dtype)
    layer.backward(dy)
    ty.backward(torch.tensor(dy))
    agree([y, layer.dW], [*arrays(ty), W.grad.numpy()], tolerance)


@pytest.mark.parametrize("causal", [False, True])
def test_dot_product_attention(causal, dtype, tolerance, rng):
    inputs = [rng.standard_normal((2, 3, 4, 5)).astype(dtype) for _ in range(3)]
    layer, given = layers.DotProductAttention(causal=causal), leaves(*inputs)
    y = layer(*inputs)
    ty = torch.nn.functional.scaled_dot_product_attention(*given, is_causal=causal)
    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(torch.tensor(dy))
    agree([y, *layer.backward(dy)], [*arrays(ty), *(g.grad.numpy() for g in given)], tolerance)


@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention(causal, dtype, tolerance, rng):
    M, mask = 6, layers.length_mask([4, 2, 1], 4)
    q, k, v = (rng.standard_normal((3, 4, M)).astype(dtype) for _ in range(3))
    layer = layers.MultiHeadAttention(3, causal=causal)
    random_weights(layer, rng, q, k, v)
    peer = torch.nn.MultiheadAttention(M, 3, batch_first=True).to(torch.tensor(q).dtype)
    put(peer.in_proj_weight, np.concatenate([layer.Wq.T, layer.Wk.T, layer.Wv.T]))
    put(peer.in_proj_bias, np.concatenate([layer.bq, 0 * layer.bq, layer.bv]))
    put(peer.out_proj.weight, layer.Wo.T)
    put(peer.out_proj.bias, layer.bo)
    given = leaves(q, k, v)
    hidden = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1) if causal else None
    ty, _ = peer(*given, key_padding_mask=torch.tensor(~mask), attn_mask=hidden)
    y = layer(q, k, v, mask)
    dy = rng.standard_normal(y.shape).astype(dtype)
    ty.backward(torch.tensor(dy))
    *gradients, _ = layer.backward(dy)
    agree([y, *gradients], [*arrays(ty), *(g.grad.numpy() for g in given)], tolerance)
    dW, db = peer.in_proj_weight.grad.numpy(), peer.in_proj_bias.grad.numpy()
    agree([layer.dWq.T, layer.dWk.T, layer.dWv.T], np.split(dW, 3), tolerance)
    agree([layer.dbq, layer.dbv], [db[:M], db[2 * M :]], tolerance)
    theirs = [p.grad.numpy() for p in peer.out_proj.parameters()]
    agree([layer.dWo.T, layer.dbo], theirs, tolerance)
