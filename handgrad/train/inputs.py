"""Inputs of a saved model from a file: the columns or the array that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.network import Network
from handgrad.train import schema
from handgrad.train.checkpoint import Checkpoint
from handgrad.train.data import check_inputs
from handgrad.train.dry import output_shape
from handgrad.train.files import PathLike, Table, read_cells
from handgrad.train.npz import read_npz
from handgrad.train.pictures import picture_files, pictures
from handgrad.train.spec import InputSpec, OutputSpec
from handgrad.train.tables.names import different, refuse_twice
from handgrad.train.tables.parts import read_parts
from handgrad.train.tables.source import look
from handgrad.train.tables.spec import Notes

ROOM = 2**16  # see `output_shape`
SOME = 500  # pictures
SHAPE: schema.Check = schema.list_of(schema.integer(1, 2**16), 3)


def predictions(
    saved: Checkpoint, path: PathLike, header: bool | None = None, id: str | None = None,
    probabilities: bool = False, complain: Callable[[str], None] = lambda text: None,
) -> Iterator[list[Any]]:  # fmt: skip
    """A table of predictions for the rows of a file: its header, then a line for each row.

    id: the column that names the rows; by default the one that the model knows, where the file has
    it, or else their number. complain is told at the end what the file had that training had not.
    """
    output, path = saved.output or OutputSpec(), Path(path)
    notes, begun = Notes(), False
    for x, names, name in _parts(saved, path, header, id, notes):
        y = all_predictions(saved, x)
        if not begun:
            output.check(y.shape)
            yield output.header(y.shape[-1] if y.ndim > 1 else 1, name, probabilities)
            begun = True
        for named, row in zip(names, output.answers(y, probabilities)):
            yield [named, *row]
    for line in notes.lines():
        complain(f"{path}: {line}")


def _parts(
    saved: Checkpoint, path: Path, header: bool | None, id: str | None, notes: Notes
) -> Iterator[tuple[Array, Any, str]]:
    """Inputs, part by part, what names their rows, and what these names are called."""
    table = saved.table
    if path.is_dir():
        yield from _pictures(saved, path)
        return
    if table is None or path.suffix.lower() == ".npz":
        x = read_inputs(path, saved, header)
        yield x, range(len(x)), "row"
        return
    for frame in read_parts(path, table, header):
        wanted = id or table.id
        known = dict(zip(table.find(frame.source, frame.names, frame.header), frame.columns))
        known |= {column.name: column for column in frame.columns}
        if id is not None and id not in known:
            raise ValueError(f"{path}: no column {id!r} among {', '.join(frame.names)}")
        x = table.inputs(frame, notes=notes)
        column = known.get(wanted) if wanted else None
        if column is None:
            yield x, range(frame.first, frame.first + frame.rows), "row"
        else:
            yield x, column.texts(), column.name


def _pictures(saved: Checkpoint, folder: Path) -> Iterator[tuple[Array, Any, str]]:
    """The pictures of a folder, in the size that those of training had, SOME at once."""
    shape = SHAPE(saved.info.get("shape"), "predict: a model of pictures is needed; info.shape")
    files = picture_files(folder)
    if not files:
        raise ValueError(f"{folder}: there are no pictures in it")
    for begin in range(0, len(files), SOME):
        some = files[begin : begin + SOME]
        x = pictures(some, (shape[1], shape[2]), color=shape[0] == 3)
        x = x if saved.input is None else saved.input.prepare(x, str(folder))
        yield x, [path.name for path in some], "picture"


def read_inputs(path: PathLike, saved: Checkpoint, header: bool | None = None) -> Array:
    """The inputs in a CSV or npz file, as the model takes them.

    A CSV file's columns are found by their names where the model knows names and the file has
    them; without, they stand in order, and one more at the end is the target, left out. In an
    npz file the array x, X, x_test or the only array counts.
    Raises ValueError for missing columns, and for data that the model does not take.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        x = check_inputs(array_of(path), f"{path}: x")
        takes = saved.input or fitting(saved.network, [x.shape[1:], (x[0].size,)])
    else:
        table = read_cells(path, header_of(path, saved.input, header))
        width = len(table.names)
        takes = saved.input or fitting(saved.network, [(width,), (width - 1,)])
        x = table.numbers(columns_of(table, takes))
    x = takes.prepare(x, f"{path}: x")
    output_shape(saved.network, takes.shape, saved.network.dtype, ROOM)
    return x


def array_of(path: Path) -> Array:
    """The inputs of an npz file."""
    arrays = read_npz(path)
    name = next((n for n in ("x", "X", "x_test") if n in arrays), None)
    if name is None and len(arrays) != 1:
        raise ValueError(f"{path}: needs an array x, has {', '.join(arrays) or 'none'}")
    return arrays[name] if name else next(iter(arrays.values()))


def header_of(path: Path, takes: InputSpec | None, header: bool | None) -> bool | None:
    """True where the first line has the names that the model knows; else what was said."""
    if header is None and takes is not None and takes.columns is not None:
        first = different(look(path, header=False).rows[0])
        return True if set(first) >= set(takes.columns) else None
    return header


def columns_of(table: Table, takes: InputSpec) -> list[int]:
    """The numbers of the columns that hold the inputs, in the model's order."""
    if table.header and takes.columns is not None:
        missing = [name for name in takes.columns if name not in table.names]
        if missing:
            raise ValueError(
                f"{table.path}: missing columns: {', '.join(missing)}; it has "
                f"{', '.join(table.names)}"
            )
        refuse_twice(str(table.path), table.names, takes.columns)
        return [table.names.index(name) for name in takes.columns]
    if len(table.names) not in (takes.size, takes.size + 1):
        raise ValueError(
            f"{table.path}: {takes.size} columns are needed, the file has {len(table.names)}"
        )
    return list(range(takes.size))


def fitting(network: Network, shapes: list[tuple[int, ...]]) -> InputSpec:
    """The first of some shapes of samples that the network takes, for files that do not say."""
    errors = []
    for shape in shapes:
        try:
            if output_shape(network, shape, network.dtype, ROOM) is None:
                network.predict(np.zeros((1, *shape), network.dtype))
            return InputSpec(shape)
        except Exception as error:  # layers of the user's may raise anything
            errors.append(error)
    raise ValueError(str(errors[0]) or type(errors[0]).__name__) from None


def all_predictions(saved: Checkpoint, x: Any) -> Array:
    """The outputs for prepared inputs x; ValueError for whatever the network raises."""
    try:
        y: Array = saved.network.predict(x)
        return y
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"the network cannot be used: {said}") from None
