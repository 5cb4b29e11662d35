"""Recurrent layers."""

from __future__ import annotations

from handgrad import layers as all_layers
from handgrad.layers.samples.sample import N, Sample, mask, real, row

ROWS: tuple[Sample, ...] = (
    row("RNNCell", real(N, 3), real(N, 2), outputs=2, seed=1),
    row("LSTMCell", real(N, 3), real(N, 2), real(N, 2), outputs=2, seed=1),
    row("GRUCell", real(N, 3), real(N, 2), outputs=2, seed=1),
    row("GRUCell", real(N, 3), real(N, 2), outputs=2, reset="before", seed=1),
    row("RNN", real(N, 4, 3), outputs=2, seed=1),
    row("RNN", real(N, 4, 3), mask(N, 4), real(N, 2), outputs=2, inputs=3, seed=1),
    row("LSTM", real(N, 4, 3), outputs=2, seed=1),
    row("LSTM", real(N, 1, 3), outputs=2, init=0.5, seed=1),
    row("LSTM", real(N, 4, 3), mask(N, 4), real(N, 2), real(N, 2), outputs=2, seed=1),
    row("LSTM", real(N, 4, 3), outputs=6, recurrent_dropout=0.3, seed=1),
    row("GRU", real(N, 4, 3), outputs=2, seed=1),
    row("GRU", real(N, 4, 3), mask(N, 4), outputs=2, seed=1),
    row("GRU", real(N, 4, 3), mask(N, 4), real(N, 2), outputs=2, reset="before", seed=1),
    row("ConvLSTM", real(N, 2, 1, 2, 2), outputs=1, kernel=2, init=0.5, seed=1),
    row("ConvLSTM", real(N, 2, 1, 3), real(N, 2, 3), real(N, 2, 3), outputs=2, kernel=(3,),
        inputs=1, seed=1),
    row("Stacked", real(N, 4, 3), mask(N, 4),
        layers=(all_layers.LSTM(2, seed=1), all_layers.RNN(3, seed=2))),
    row("Bidirectional", real(N, 4, 3), mask(N, 4), ahead=all_layers.GRU(2, seed=1),
        back=all_layers.RNN(3, seed=2)),
    row("VariationalDropout", real(N, 4, 8), seed=1),
    row("VariationalDropout", real(N, 4, 8), ratio=0.2, seed=1),
)  # fmt: skip
