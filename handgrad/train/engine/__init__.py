"""Engines: who computes the updates of a training, behind one interface, over one state."""

from handgrad.train.engine.choose import check_engine, prepared
from handgrad.train.engine.interface import Engine
from handgrad.train.engine.native_engine import NativeEngine
from handgrad.train.engine.numpy_engine import NumPyEngine
from handgrad.train.engine.sharded import ShardedEngine
from handgrad.train.engine.state import TrainState
from handgrad.train.engine.task import Task, Updates

__all__ = [
    "Engine",
    "NativeEngine",
    "NumPyEngine",
    "ShardedEngine",
    "Task",
    "TrainState",
    "Updates",
    "check_engine",
    "prepared",
]
