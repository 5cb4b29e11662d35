"""Recurrent layers: cells for one step, layers over time, and how they combine."""

from handgrad.layers.recurrent.containers import Bidirectional, Stacked
from handgrad.layers.recurrent.conv_lstm import ConvLSTM
from handgrad.layers.recurrent.dropout import VariationalDropout
from handgrad.layers.recurrent.gru import GRU, GRUCell
from handgrad.layers.recurrent.lstm import LSTM, LSTMCell
from handgrad.layers.recurrent.rnn import RNN, RNNCell
from handgrad.layers.recurrent.state import length_mask

__all__ = [
    "GRU", "LSTM", "RNN", "Bidirectional", "ConvLSTM", "GRUCell", "LSTMCell", "RNNCell", "Stacked",
    "VariationalDropout", "length_mask",
]  # fmt: skip
