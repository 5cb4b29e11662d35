"""Recurrent layers: cells for one step, layers over time, and how they combine."""

from handgrad.layers.recurrent.compose import Bidirectional, Stacked, VariationalDropout
from handgrad.layers.recurrent.gru import GRU, GRUCell
from handgrad.layers.recurrent.lstm import LSTM, LSTMCell
from handgrad.layers.recurrent.memory import length_mask
from handgrad.layers.recurrent.rnn import RNN, RNNCell

__all__ = [
    "GRU", "LSTM", "RNN", "Bidirectional", "GRUCell", "LSTMCell", "RNNCell", "Stacked",
    "VariationalDropout", "length_mask",
]  # fmt: skip
