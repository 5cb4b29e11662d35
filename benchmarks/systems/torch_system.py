"""PyTorch, eager or compiled, with a given number of threads, in either memory layout."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import workloads as w
from benchmarks.workloads import Workload


class System:
    """nn.Sequential, nn.CrossEntropyLoss, and a fused optimizer."""

    def __init__(
        self, workload: Workload, threads: int | None = None,
        channels_last: bool = False, compiled: bool = False,
    ):  # fmt: skip
        torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
        self.x, self.t = map(torch.from_numpy, workload.data)
        arrays = map(torch.from_numpy, workload.weights())
        self.model = nn.Sequential(*(module_of(layer, arrays) for layer in workload.layers))
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.learned = [p for p in self.model.parameters() if p.requires_grad]
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[workload.optimizer]
        self.optimizer = kind(self.learned, lr=workload.lr, fused=True)
        self.cross_entropy, self.clip = nn.CrossEntropyLoss(), workload.clip
        self.loss = torch.compile(self.forward) if compiled else self.forward

    def forward(self, x: torch.Tensor, t: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        y = self.model(x[rows])
        return self.cross_entropy(y.flatten(0, -2), t[rows].flatten())

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        batches = torch.from_numpy(rows)

        def run() -> float:
            for batch in batches:
                loss = self.loss(self.x, self.t, batch)
                self.optimizer.zero_grad()
                loss.backward()
                if self.clip is not None:
                    nn.utils.clip_grad_norm_(self.learned, self.clip)
                self.optimizer.step()
            return loss.item()

        return run


class LSTM(nn.Module):
    """nn.LSTM with one bias instead of two; its blocks of columns are i, f, g, o."""

    def __init__(self, Wx: torch.Tensor, Wh: torch.Tensor, b: torch.Tensor):
        super().__init__()
        (inputs, _), hidden = Wx.shape, len(Wh)
        self.lstm = nn.LSTM(inputs, hidden, batch_first=True)
        f, g, i, o = torch.arange(4 * hidden).split(hidden)
        order = torch.cat([i, f, g, o])
        fill(self.lstm.weight_ih_l0, Wx.T[order])
        fill(self.lstm.weight_hh_l0, Wh.T[order])
        fill(self.lstm.bias_ih_l0, b[order])
        fill(self.lstm.bias_hh_l0, 0 * b)
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0]


def fill(parameter: torch.Tensor, values: torch.Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(values)


def with_weights(module: nn.Module, arrays: Iterator[torch.Tensor]) -> nn.Module:
    """The module, its parameters filled with the next arrays; matrices are transposed."""
    for parameter in module.parameters():
        values = next(arrays)
        transposed = isinstance(module, nn.Linear) and values.ndim == 2
        fill(parameter, values.T if transposed else values)
    return module


def module_of(layer: Any, arrays: Iterator[torch.Tensor]) -> nn.Module:
    """PyTorch's module for a layer, with its initial weights."""
    match layer:
        case w.Affine(inputs, outputs):
            return with_weights(nn.Linear(inputs, outputs), arrays)
        case w.Convolution(channels, filters, kernel, pad):
            return with_weights(nn.Conv2d(channels, filters, kernel, padding=pad), arrays)
        case w.MaxPooling(size):
            return nn.MaxPool2d(size)
        case w.Dropout(ratio):
            return nn.Dropout(ratio)
        case w.Embedding(vocabulary, dimension):
            return with_weights(nn.Embedding(vocabulary, dimension), arrays)
        case w.LSTM():
            return LSTM(next(arrays), next(arrays), next(arrays))
        case w.ReLU():
            return nn.ReLU()
        case w.Flatten():
            return nn.Flatten()
    raise ValueError(f"no module for {layer}")
