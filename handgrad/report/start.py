"""Start: the network that a training began with, so that it can be made again to the bit.

Most networks are what their description and seed make. Of one that had learned before, or whose
weights came from elsewhere, a model file is kept beside `run.json`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.report.sums import sum_of_file, sum_of_weights
from handgrad.train import load_checkpoint, registry, schema
from handgrad.train.checkpoint import pack
from handgrad.train.describe import construct, describe
from handgrad.train.module import load_module
from handgrad.train.write import write_whole

START = "start.safetensors"
CLASS: schema.Check = schema.record(
    {"name": schema.text, "file": schema.optional(schema.text),
     "sha256": schema.optional(schema.text), "script": schema.kind("a truth value", bool)}
)  # fmt: skip
FORM: schema.Check = schema.record(
    {"from": schema.one_of("seed", "file"), "weights": schema.text, "classes":
     schema.list_of(CLASS), "architecture": schema.anything, "dtype": schema.text,
     "file": schema.optional(schema.text), "text": schema.text,
     "parameters": schema.integer(0, 2**62)}
)  # fmt: skip


def describe_start(trainer: Any, folder: Path) -> dict[str, Any]:
    """The network as it is before the first update. Raises ValueError where no file can hold it.

    Writes START into the folder where description and seed do not make the same network.
    """
    network, loss = trainer.network, trainer.loss
    own = {type(layer) for of in (network, loss) for _, layer in walk(of)}
    own = {cls for cls in own if not registry.is_own(cls)}
    described: dict[str, Any] = {
        "from": "seed", "file": None, "weights": sum_of_weights(network),
        "architecture": describe(network), "dtype": str(network.dtype),
        "classes": [_file_of(cls) for cls in sorted(own, key=lambda cls: cls.__name__)],
        "text": repr(network), "parameters": int(network.parameters.size),
    }  # fmt: skip
    going = trainer.step > 0 or trainer.state.optimizer.steps > 0
    if going or not _made_by_seed(network, described["architecture"], own, trainer.x[:2]):
        state = trainer.state_dict() if going else None
        write_whole(folder / START, pack(network, training=state))
        described |= {"from": "file", "file": START}
    return described


def _made_by_seed(network: Network, architecture: Any, own: Iterable[type], x: Array) -> bool:
    """Whether the description makes this network, with every weight, stream and mode."""
    try:
        other = rebuilt(architecture, own, x, network.engine)
        return _checksum(pack(other)) == _checksum(pack(network))
    except (ValueError, TypeError):
        return False


def _checksum(content: bytes) -> str:
    """The checksum that a model file carries, of all that is in it."""
    size = int.from_bytes(content[:8], "little")
    return str(json.loads(content[8 : 8 + size])["__metadata__"]["checksum"])


def rebuilt(architecture: Any, own: Iterable[type], x: Array, engine: str = "auto") -> Network:
    """The network that a description makes, with sizes from x."""
    network: Network = construct(architecture, own)
    network.build(x)
    network.engine = engine
    return network


def begin(start: Any, folder: Path, own: Iterable[type], x: Array) -> tuple[Any, Any]:
    """The network to train again, and the state of training that it has, or None.

    Raises ValueError where its weights are not those that were recorded.
    """
    training = None
    if start["from"] == "file":
        saved = load_checkpoint(folder / start["file"], classes=own)
        network, training = saved.network, saved.training
    else:
        network = rebuilt(start["architecture"], own, x)
    if sum_of_weights(network) != start["weights"]:
        raise ValueError("the network begins with other weights than it did")
    return network, training


def _file_of(cls: type) -> dict[str, Any]:
    """Where a class of the user's is written, and the checksum of that file."""
    try:
        path = Path(inspect.getfile(cls)).resolve()
        known = {"file": str(path), "sha256": sum_of_file(path)}
    except (TypeError, OSError):  # typed into an interpreter
        return {"name": cls.__name__, "script": False, "file": None, "sha256": None}
    return {"name": cls.__name__, "script": cls.__module__ == "__main__", **known}


def classes_of(start: Any, folder: Path, given: Iterable[type]) -> list[type]:
    """The classes of the user's: those given, and the others from their files, which are executed.

    Raises ValueError for one whose file is gone or another one, or is the script of the training.
    """
    found = {cls.__name__: cls for cls in given}
    for one in start["classes"]:
        name, file = one["name"], one["file"]
        if name in found:
            continue
        if file is None or one["script"]:
            where = f"the script {file}" if file else "no file"
            raise ValueError(
                f"your class {name} is of {where}, which replay does not run; move it into a "
                f"module of its own, or call replay(path, classes=[{name}])"
            )
        path = next((p for p in (Path(file), folder / Path(file).name) if p.is_file()), None)
        if path is None:
            raise ValueError(f"your class {name} was in {file}, which is not there")
        if sum_of_file(path) != one["sha256"]:
            raise ValueError(f"your class {name} is in {path}, which has been changed since")
        module = load_module(path)
        if not hasattr(module, name):
            raise ValueError(f"{path} has no class {name}")
        found[name] = getattr(module, name)
    return list(found.values())
