"""Recurrent cells and sequences: what flows back through time."""

import numpy as np

from ..right.recurrent import GRUCell, LSTMCell, RNNCell, TimeLinear, TimeRNN
from .registry import mistake


@mistake("missing_term", of=TimeRNN)
class TimeRNNNoCarry(TimeRNN):
    """The gradient of h is not carried to the step before."""

    def backward(self, dhs):
        das = dhs * (1 - np.stack(self.hs[1:], axis=1) ** 2)
        self.db = das.sum(axis=(0, 1))
        self.dWx = np.einsum("ntd,nth->dh", self.xs, das)
        self.dWh = np.einsum("ntk,nth->kh", np.stack(self.hs[:-1], axis=1), das)
        return das @ self.Wx.T


@mistake("missing_term", "boundary", of=TimeRNN)
class TimeRNNTruncated(TimeRNN):
    """Carried back two steps at most; the sample has three."""

    def backward(self, dhs):
        full = super().backward(dhs)
        cut = dhs.copy()
        cut[:, 2:] = 0
        short = self.__class__.__mro__[1](self.Wx, self.Wh, self.b)
        short.xs, short.hs = self.xs, self.hs
        full[:, 0] = short.backward(cut)[:, 0]
        return full


@mistake("wrong_formula", of=TimeRNN)
class TimeRNNStateAfter(TimeRNN):
    """dWh with the state after the step instead of the one before."""

    def backward(self, dhs):
        kept, self.hs = self.hs, [*self.hs[1:], self.hs[-1]]
        before, self.hs = self.hs, kept
        dxs = super().backward(dhs)
        self.dWh = sum(h.T @ (d * 1) for h, d in zip(before, np.moveaxis(dhs, 1, 0)))
        return dxs


@mistake("wrong_scale", of=TimeRNN)
class TimeRNNMeanOverTime(TimeRNN):
    def backward(self, dhs):
        dxs = super().backward(dhs)
        self.dWx = self.dWx / dhs.shape[1]
        self.dWh = self.dWh / dhs.shape[1]
        self.db = self.db / dhs.shape[1]
        return dxs


@mistake("missing_term", "missing_batch_sum", "wrong_formula", "boundary", of=TimeRNN)
class TimeRNNLastStepOnly(TimeRNN):
    """db is that of the first step of the sequence; earlier ones are overwritten."""

    def backward(self, dhs):
        only = np.zeros_like(dhs)
        only[:, 0] = dhs[:, 0]
        super().backward(only)
        db = self.db
        dxs = super().backward(dhs)
        self.db = db
        return dxs


@mistake("transpose", "wrong_formula", of=RNNCell)
class RNNCellStateNotTransposed(RNNCell):
    def backward(self, dy):
        dx, _ = super().backward(dy)
        return dx, dy * (1 - self.y**2) @ self.Wh


@mistake("wrong_formula", of=RNNCell)
class RNNCellTanhForgotten(RNNCell):
    def backward(self, dy):
        self.db = dy.sum(axis=0)
        self.dWx = self.x.T @ dy
        self.dWh = self.h.T @ dy
        return dy @ self.Wx.T, dy @ self.Wh.T


@mistake("missing_term", "upstream_ignored", of=LSTMCell)
class LSTMCellIgnoresCellGradient(LSTMCell):
    def backward(self, dh, dc):
        return super().backward(dh, np.zeros_like(dc))


@mistake("missing_term", of=LSTMCell)
class LSTMCellCellOnlyDirect(LSTMCell):
    """The gradient of c does not see h."""

    def backward(self, dh, dc):
        dx, dh_before, _ = super().backward(dh, dc)
        return dx, dh_before, dc * self.f


@mistake("wrong_formula", of=LSTMCell)
class LSTMCellGateSigmoid(LSTMCell):
    """The candidate is treated as a sigmoid."""

    def backward(self, dh, dc):
        H = dh.shape[1]
        gradients = super().backward(dh, dc)
        ds = dc + dh * self.o * (1 - self.tanh_c**2)
        self.db = self.db.copy()
        self.db[H : 2 * H] = (ds * self.i * self.g * (1 - self.g)).sum(axis=0)
        return gradients


@mistake("swapped_outputs", "wrong_formula", of=LSTMCell)
class LSTMCellGateOrder(LSTMCell):
    """Gates are put together in another order than they were split."""

    def backward(self, dh, dc):
        gradients = super().backward(dh, dc)
        self.db = np.roll(self.db, dh.shape[1])
        return gradients


@mistake("swapped_outputs", of=LSTMCell)
class LSTMCellSwappedStates(LSTMCell):
    def backward(self, dh, dc):
        dx, dh_before, dc_before = super().backward(dh, dc)
        return dx, dc_before, dh_before


@mistake("missing_term", of=GRUCell)
class GRUCellNoLeak(GRUCell):
    def backward(self, dy):
        dx, dh = super().backward(dy)
        return dx, dh - dy * (1 - self.z)


@mistake("wrong_sign", "wrong_formula", of=GRUCell)
class GRUCellUpdateSign(GRUCell):
    def backward(self, dy):
        gradients = super().backward(dy)
        H = dy.shape[1]
        self.db = np.concatenate([-self.db[:H], self.db[H:]])
        return gradients


@mistake("wrong_formula", of=GRUCell)
class GRUCellResetForgotten(GRUCell):
    """dWh of the candidate uses h instead of r * h."""

    def backward(self, dy):
        gradients = super().backward(dy)
        H = dy.shape[1]
        dn = dy * self.z * (1 - self.n**2)
        self.dWh = np.hstack([self.dWh[:, : 2 * H], self.h.T @ dn])
        return gradients


@mistake("missing_term", of=TimeLinear)
class TimeLinearNoDecay(TimeLinear):
    """The carried gradient is not multiplied by a."""

    def backward(self, dout):
        dx = super().backward(dout)
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1] * 1 if self.a != 1 else dx


@mistake(
    "boundary",
    "missing_term",
    of=TimeRNN,
    sample=lambda r: (
        tuple(0.5 * r.normal(size=s) for s in ((2, 2), (2, 2), (2,))),
        (r.normal(size=(2, 1, 2)),),
    ),
)
class TimeRNNOneStep(TimeRNN):
    """Right for the sequence of one step that its author tried."""

    def backward(self, dhs):
        das = dhs * (1 - np.stack(self.hs[1:], axis=1) ** 2)
        self.db = das.sum(axis=(0, 1))
        self.dWx = np.einsum("ntd,nth->dh", self.xs, das)
        self.dWh = np.einsum("ntk,nth->kh", np.stack(self.hs[:-1], axis=1), das)
        return das @ self.Wx.T
