"""Shows by experiment that a mistake is one: its behaviour beside that of the right layer.

Each experiment drives a maker of layers and returns what it saw; a subject is different when
one experiment sees another value, shape, dtype or exception with it than with the right layer.
"""

import warnings

import numpy as np


def difference(specimen):
    """The name of the first experiment in which the specimen differs from the right layer."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for experiment in EXPERIMENTS:
            expected = _run(experiment, specimen.right, specimen.inputs)
            if expected is None:
                continue  # the right layer refuses this: nothing to compare
            if not _same(expected, _run(experiment, specimen.make, specimen.inputs)):
                return experiment.__name__
    return None


def works(specimen):
    """True when the specimen gets through its own sample without an exception."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _run(plain, specimen.make, specimen.inputs) is not None


def is_linear(specimen):
    """Whether twice the upstream gradient gives twice the gradients, and zero gives zero."""

    def scaled(factor):
        layer = specimen.make()
        y = layer.forward(*map(np.array, specimen.inputs))
        return _gradients(layer, [factor * g for g in _upstream(y)])

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        once, twice = scaled(1), scaled(2)
        return _same([None if g is None else 2 * g for g in once], twice)


def _run(experiment, make, inputs):
    try:
        return experiment(make, [np.array(x) for x in inputs])
    except Exception:
        return None


def _same(expected, seen):
    if seen is None or len(expected) != len(seen):
        return False
    for a, b in zip(expected, seen):
        if (a is None) != (b is None):
            return False
        a, b = np.asarray(a), np.asarray(b)
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        tolerance = 1e-4 if a.dtype == np.float32 else 1e-9
        if a.dtype.kind == "f" and not np.allclose(a, b, tolerance, tolerance, equal_nan=True):
            return False
    return True


def _tuple(values):
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _upstream(outputs, seed=7):
    """One random gradient per output, away from zero; a plain number for a plain number."""
    r = np.random.default_rng(seed)
    gradients = [
        r.uniform(0.5, 2, np.shape(y)) * r.choice([-1, 1], np.shape(y)) for y in _tuple(outputs)
    ]
    return [
        g.astype(y.dtype) if np.ndim(y) and y.dtype.kind == "f" else g
        for g, y in zip(gradients, _tuple(outputs))
    ]


def _gradients(layer, gradients):
    """What backward returns, and then every d<name> it has set, all copied."""
    dx = _tuple(layer.backward(*gradients))
    names = sorted(n for n in dir(layer) if n[0] == "d" and hasattr(layer, n[1:]))
    return [None if d is None else np.copy(d) for d in (*dx, *(getattr(layer, n) for n in names))]


def _once(layer, inputs, seed=7):
    y = layer.forward(*inputs)
    seen = [np.copy(v) for v in _tuple(y)]
    return seen + _gradients(layer, _upstream(y, seed))


def _other(inputs, seed=3):
    """Other values of the same shape: real ones shifted and shuffled, integers reversed."""
    r = np.random.default_rng(seed)
    return [r.permuted(x) * 1.1 if x.dtype.kind == "f" else x[::-1].copy() for x in inputs]


def plain(make, inputs):
    return _once(make(), inputs)


def second_call(make, inputs):
    layer = make()
    _once(layer, inputs)
    return _once(layer, _other(inputs), seed=8)


def second_backward(make, inputs):
    layer = make()
    y = layer.forward(*inputs)
    return _gradients(layer, _upstream(y)) + _gradients(layer, _upstream(y, 8))


def two_instances(make, inputs):
    one, two = make(), make()
    y = one.forward(*inputs)
    two.forward(*_other(inputs))
    return _gradients(one, _upstream(y))


def what_was_given(make, inputs):
    """Inputs and upstream gradients afterwards, and parameters."""
    layer = make()
    y = layer.forward(*inputs)
    gradients = _upstream(y)
    layer.backward(*gradients)
    parameters = [v for v in vars(layer).values() if isinstance(v, np.ndarray) and v.ndim == 2]
    return [*inputs, *gradients, *parameters[:1]]


def results_kept(make, inputs):
    """Results of the first call, looked at after a second one."""
    layer = make()
    y = layer.forward(*inputs)
    dx = layer.backward(*_upstream(y))
    z = layer.forward(*_other(inputs))
    layer.backward(*_upstream(z, 8))
    return [*_tuple(y), *_tuple(dx)]


def new_weights(make, inputs):
    layer = make()
    _once(layer, inputs)
    for name, value in list(vars(layer).items()):
        if isinstance(value, np.ndarray) and hasattr(layer, "d" + name):
            setattr(layer, name, value * 1.5)
    return _once(layer, inputs)


def one_row(make, inputs):
    return _once(make(), [x[:1] for x in inputs])


def more_rows(make, inputs):
    return _once(make(), [np.concatenate([x, x[:1], x[:1]]) for x in inputs])


def repeated_rows(make, inputs):
    return _once(make(), [np.repeat(x[:1], len(x), axis=0) for x in inputs])


def other_sizes(make, inputs):
    """The last two axes of an image made longer by one."""
    return _once(make(), [np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), "wrap") for x in inputs])


def broadcast(make, inputs):
    first, *rest = inputs
    return _once(make(), [first, *(x[..., :1] for x in rest)])


def first_is_smaller(make, inputs):
    first, *rest = inputs
    return _once(make(), [first[:1], *rest])


def longer_sequence(make, inputs):
    return _once(make(), [np.concatenate([x, x[:, :1]], axis=1) for x in inputs])


def longer_second_batch(make, inputs):
    layer = make()
    _once(layer, inputs)
    return _once(layer, [np.concatenate([x, x[:1]]) for x in inputs])


def next_integers(make, inputs):
    return _once(make(), [x + 1 if x.dtype.kind == "i" else x for x in inputs])


def broadcast_vector(make, inputs):
    first, *rest = inputs
    return _once(make(), [first, *(x[0] for x in rest)])


def layouts(make, inputs):
    """Fortran order, every second entry, zero stride, reversed: of inputs and of gradients."""
    seen = []
    spread = [np.repeat(x, 2, axis=-1)[..., ::2] for x in inputs]
    for arranged in ([np.asfortranarray(x) for x in inputs], spread):
        seen += _once(make(), arranged)
    layer = make()
    gradients = _upstream(layer.forward(*inputs))
    for arrange in (np.asfortranarray, _every_second, _zero_stride, _reversed_memory):
        layer = make()
        layer.forward(*inputs)
        seen += _gradients(layer, [arrange(g) for g in gradients])
    return seen


def _every_second(g):
    return np.repeat(g, 2, axis=-1)[..., ::2] if np.ndim(g) else g


def _zero_stride(g):
    return np.broadcast_to(np.ravel(g)[0], np.shape(g))


def _reversed_memory(g):
    return np.ascontiguousarray(np.flip(g)).__getitem__((slice(None, None, -1),) * np.ndim(g))


def single_precision(make, inputs):
    layer = make()
    for name, value in list(vars(layer).items()):
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            setattr(layer, name, value.astype(np.float32))
    singles = [x.astype(np.float32) if x.dtype == np.float64 else x for x in inputs]
    return _once(layer, singles)


def integers(make, inputs):
    whole = [np.rint(3 * x).astype(int) if x.dtype.kind == "f" else x for x in inputs]
    return _once(make(), whole)


def large(make, inputs):
    seen = []
    for factor in (100, 1000, -1000):
        seen += _once(make(), [x * factor if x.dtype.kind == "f" else x for x in inputs])
    return seen


def shifted(make, inputs):
    return _once(make(), [x + 1e6 if x.dtype.kind == "f" else x for x in inputs])


def zeros(make, inputs):
    return _once(make(), [np.zeros_like(x) for x in inputs])


def upstream_zero(make, inputs):
    layer = make()
    y = layer.forward(*inputs)
    return _gradients(layer, [np.zeros_like(g) for g in _upstream(y)])


EXPERIMENTS = (
    plain,
    second_call,
    second_backward,
    two_instances,
    what_was_given,
    results_kept,
    new_weights,
    one_row,
    more_rows,
    repeated_rows,
    other_sizes,
    broadcast,
    broadcast_vector,
    first_is_smaller,
    longer_sequence,
    longer_second_batch,
    next_integers,
    layouts,
    single_precision,
    integers,
    large,
    shifted,
    zeros,
    upstream_zero,
)
