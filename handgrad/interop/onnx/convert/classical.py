"""Linear models and scalers of scikit-learn's converters, as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.convert.forms import Form, Seen, affine, form
from handgrad.layer import apply

ML = "ai.onnx.ml"


@form(f"{ML}.Scaler")
def scaler(seen: Seen) -> Form | None:
    scale, offset = np.array(seen.get("scale", [1.0])), np.array(seen.get("offset", [0.0]))
    if not scale.all():
        return None
    mean, scale = np.broadcast_arrays(offset, 1 / scale)
    return Form(L.Standardize(tuple(mean.tolist()), tuple(scale.tolist())))


@form(f"{ML}.LinearRegressor")
def linear_regressor(seen: Seen) -> Form | None:
    targets = seen.get("targets", 1)
    if seen.get("post_transform", "NONE") != "NONE":
        return None
    return Form(affine(*parameters(seen, targets)))


def parameters(seen: Seen, rows: int) -> tuple[Any, Any]:
    """W and b."""
    w = np.array(seen.get("coefficients"), seen.dtype).reshape(rows, -1).T
    b = seen.get("intercepts")
    return w, None if b is None else np.array(b, seen.dtype)


@form(f"{ML}.LinearClassifier")
def linear_classifier(seen: Seen) -> Form | None:
    """The scores; where the labels are asked for, the operator itself."""
    labels = seen.get("classlabels_ints") or seen.get("classlabels_strings") or ()
    how, bias = seen.get("post_transform", "NONE"), seen.get("intercepts") or ()
    probability = {"NONE": None, "SOFTMAX": L.Softmax, "LOGISTIC": L.Sigmoid}
    if seen.wanted(0) or len(bias) != len(labels) or how not in probability:
        return None
    cls: Any = probability[how]
    activation = None if cls is None else cls()

    def after(y: Any, x: Any) -> Any:
        return None, y if activation is None else apply(activation, y)

    return Form(affine(*parameters(seen, len(labels))), after=after)
