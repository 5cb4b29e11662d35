"""The second book's layers over time. Shapes: xs (N, T, D), hs (N, T, H)."""

from typing import Any

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.book.common.adapter import Adapter, Weightless, held
from handgrad.book.common.functions import sigmoid as sigmoid
from handgrad.book.common.functions import softmax as softmax
from handgrad.book.common.layers import *  # noqa: F403  (scripts find all layers here)
from handgrad.book.common.layers import Embedding, SigmoidWithLoss
from handgrad.layers import recurrent


class Recurrent(Adapter):
    """Base of one step in time: forward(x, *state) and backward(*gradients of the next state)."""

    names = ("Wx", "Wh", "b")
    kind: Any = None  # handgrad's cell

    def __init__(self, Wx: Array, Wh: Array, b: Array):
        super().__init__(self.kind(len(Wh), inputs=len(Wx)), Wx, Wh, b)

    def forward(self, x: Array, *state: Array) -> Any:
        x = self.lend(x)
        return self.inner.forward(x, *(s.astype(x.dtype, copy=False) for s in state))

    def backward(self, *dstate: Array) -> tuple[Array, ...]:
        gradients = self.inner.backward(*dstate)
        self.collect()
        return gradients


class TimeRecurrent(Adapter):
    """Base of a recurrent layer over time; `h` (and `c`) is the state after the last step.

    The next call starts from it if `stateful`, and else from zero. `dh` is the gradient of the
    state before the first step.
    """

    names = ("Wx", "Wh", "b")
    kind: Any = None  # handgrad's layer over time

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False):
        inner = self.kind(len(Wh), inputs=len(Wx), stateful=True, return_state=True)
        super().__init__(inner, Wx, Wh, b)
        self.stateful = stateful
        self.h: Array | None = None
        self.dh: Array | None = None

    def state(self) -> tuple:
        """The arrays of state; None for one not known."""
        return (self.h,)

    def forward(self, xs: Array) -> Array:
        xs = self.lend(xs)
        self.inner.reset_state()
        if self.stateful and self.h is not None:
            zero = np.zeros_like(self.h)
            known = (zero if s is None else s for s in self.state())
            self.inner.set_state(*(s.astype(xs.dtype, copy=False) for s in known))
        hs, *state = self.inner.forward(xs)
        self.set_state(*state)
        return hs

    def backward(self, dhs: Array) -> Array:
        dxs = super().backward(dhs)
        self.dh = self.inner.dstate[0]
        return dxs

    def set_state(self, h: Array | None) -> None:
        """Start the next call from h, if `stateful`."""
        self.h = h

    def reset_state(self) -> None:
        """Start the next call from zero."""
        self.set_state(None)


class RNN(Recurrent):
    """h' = tanh(x @ Wx + h @ Wh + b)."""

    kind = recurrent.RNNCell


class TimeRNN(TimeRecurrent):
    """RNN over time."""

    kind = recurrent.RNN


class LSTM(Recurrent):
    """Long short-term memory; blocks of columns f, g, i, o. State: h, c."""

    kind = recurrent.LSTMCell


class TimeLSTM(TimeRecurrent):
    """LSTM over time."""

    kind = recurrent.LSTM
    c: Array | None = None

    def state(self) -> tuple:
        return self.h, self.c

    def set_state(self, h: Array | None, c: Array | None = None) -> None:
        self.h, self.c = h, c


class UpdateGate(Adapter):
    """The second book's GRU keeps 1 − z of the state where handgrad's keeps z.

    σ(−a) = 1 − σ(a): so the weights of z, the first of three blocks of columns, change sign on
    the way in, and their gradients on the way out.
    """

    def lend(self, x: Array) -> Array:
        x = super().lend(x)
        for name in self.names:
            setattr(self.inner, name, getattr(self.inner, name) * self.signs)
        return x

    def collect(self) -> None:
        for name in self.names:
            setattr(self.inner, "d" + name, getattr(self.inner, "d" + name) * self.signs)
        super().collect()

    @property
    def signs(self) -> Array:
        """−1 for the columns of z, else 1."""
        return np.repeat(np.array([-1, 1, 1], self.params[0].dtype), self.inner.outputs)


class GRU(UpdateGate, Recurrent):
    """h' = (1 − z) · h + z · n, the gated recurrent unit; blocks of columns z, r, n."""

    @staticmethod
    def kind(hidden: int, **options: Any) -> Any:
        return recurrent.GRUCell(hidden, reset="before", **options)


class TimeGRU(UpdateGate, TimeRecurrent):
    """GRU over time."""

    @staticmethod
    def kind(hidden: int, **options: Any) -> Any:
        return recurrent.GRU(hidden, reset="before", **options)


class TimeBiLSTM:
    """Two LSTMs, one reading backwards; their outputs side by side (N, T, 2H)."""

    def __init__(
        self, Wx1: Array, Wh1: Array, b1: Array, Wx2: Array, Wh2: Array, b2: Array,
        stateful: bool = False,
    ):  # fmt: skip
        self.forward_lstm = TimeLSTM(Wx1, Wh1, b1, stateful)
        self.backward_lstm = TimeLSTM(Wx2, Wh2, b2, stateful)
        self.params = self.forward_lstm.params + self.backward_lstm.params
        self.grads = self.forward_lstm.grads + self.backward_lstm.grads

    def forward(self, xs: Array) -> Array:
        there = self.forward_lstm.forward(xs)
        back = self.backward_lstm.forward(xs[:, ::-1])[:, ::-1]
        return np.concatenate((there, back), axis=2)

    def backward(self, dhs: Array) -> Array:
        dthere, dback = np.split(dhs, 2, axis=2)
        dxs = self.backward_lstm.backward(dback[:, ::-1])[:, ::-1]
        return self.forward_lstm.backward(dthere) + dxs


class TimeEmbedding(Embedding):
    """Rows of W (V, D) by their numbers (N, T)."""


class TimeAffine(Adapter):
    """x @ W + b on the last axis."""

    names = ("W", "b")
    W, b = held(0), held(1)

    def __init__(self, W: Array, b: Array):
        super().__init__(layers.Affine(W.shape[1]), W, b)


class Simple_TimeAffine(TimeAffine):
    """TimeAffine; the book's naive version."""


class TimeSoftmaxWithLoss(Weightless):
    """The mean cross-entropy of scores xs (N, T, V) with labels ts (N, T) or one-hot (N, T, V).

    Steps whose label is `ignore_label` do not count.
    """

    ignore_label = -1

    @property
    def ignore_index(self) -> int:
        """The same, under the name by which metrics leave such labels out."""
        return self.ignore_label

    def forward(self, xs: Array, ts: Array) -> Any:
        labels = ts.argmax(axis=2) if ts.ndim == 3 else ts
        self.inner = layers.SoftmaxCrossEntropy(ignore_index=self.ignore_index)
        return self.inner.forward(xs, labels)

    def backward(self, dout: float = 1) -> Array:
        return self.inner.backward(dout)[0]


class Simple_TimeSoftmaxWithLoss(TimeSoftmaxWithLoss):
    """TimeSoftmaxWithLoss; the book's naive version."""


class TimeSigmoidWithLoss(SigmoidWithLoss):
    """The mean cross-entropy of scores xs (N, T) with labels ts (N, T), 0 or 1."""


class TimeDropout(Weightless):
    """Each element is zero with probability `dropout_ratio`; the others grow by 1 / (1 − ratio).

    Only where `train_flg`. The random numbers are NumPy's global ones, as in the books.
    """

    def __init__(self, dropout_ratio: float = 0.5):
        super().__init__()
        self.dropout_ratio, self.train_flg = dropout_ratio, True
        self.mask: Any = None

    def forward(self, xs: Array) -> Array:
        self.mask = 1
        if self.train_flg:
            keep = np.random.rand(*xs.shape) > self.dropout_ratio
            self.mask = keep * np.float32(1 / (1 - self.dropout_ratio))
        return xs * self.mask

    def backward(self, dout: Array) -> Array:
        return dout * self.mask
