"""The systems that are measured: what they are called, and which workloads they can run.

A system's module is imported in its own process alone. Its class `System(workload, **options)`
has one method: `turn(rows)` prepares training steps on these rows (steps, batch) and returns a
function that runs them and returns the loss of the last one. It may say in `ran` what ran.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchmarks.workloads import Convolution, Embedding, Workload


@dataclass(frozen=True)
class Kind:
    """One system: a module of this package and the options of its class."""

    name: str
    label: str
    module: str
    options: dict[str, Any] = field(default_factory=dict)

    def refusal(self, workload: Workload) -> str | None:
        """Why the system does not run a workload, or None."""
        images, words = workload.has(Convolution), workload.has(Embedding)
        if self.module == "sklearn_system" and (images or words):
            return "has multi-layer perceptrons only"
        if self.options.get("channels_last") and not images:
            return "no images"
        if self.options.get("scan") and images:
            return "XLA runs a convolution inside a loop on one thread, many times slower"
        return None


def _torch(name: str, label: str, threads: int, **options: Any) -> Kind:
    return Kind(f"torch-{name}", f"PyTorch {label}", "torch_system", {"threads": threads} | options)


ALL = (
    Kind("numpy", "NumPy, written out", "numpy_plain"),
    Kind("sklearn", "scikit-learn", "sklearn_system"),
    _torch("1", "eager, 1 thread", 1),
    _torch("2", "eager, 2 threads", 2),
    _torch("1-last", "eager, 1 thread, channels last", 1, channels_last=True),
    _torch("2-last", "eager, 2 threads, channels last", 2, channels_last=True),
    _torch("compile", "compiled, 2 threads", 2, compiled=True),
    _torch("compile-last", "compiled, channels last", 2, compiled=True, channels_last=True),
    Kind("jax", "JAX jit", "jax_system"),
    Kind("jax-scan", "JAX jit + scan", "jax_system", {"scan": True}),
    Kind("handgrad-eager", "handgrad in NumPy", "handgrad_system", {"eager": True}),
    Kind("handgrad", "handgrad", "handgrad_system"),
)
TORCH = Kind("torch", "PyTorch eager", "torch_system")  # as many threads as cores
CURVES = (TORCH, *(kind for kind in ALL if kind.name in ("jax", "jax-scan", "handgrad")))
KINDS = {kind.name: kind for kind in (*ALL, TORCH)}


def is_peer(name: str) -> bool:
    return not name.startswith("handgrad")
