"""Linear models and scalers, as converters of scikit-learn write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.elementwise import sigmoid
from handgrad.interop.onnx.operators.reduction import softmax
from handgrad.interop.onnx.operators.registry import ML, operator


def real(x: Any) -> Any:
    """x as float32, but doubles as they are."""
    return x if x.dtype == np.float64 else x.astype(np.float32)


def transformed(y: Any, how: str) -> Any:
    """Scores as probabilities, where that is asked for."""
    rules = {"NONE": lambda v: v, "SOFTMAX": softmax, "LOGISTIC": sigmoid}
    if how not in rules:
        raise ValueError(f"post_transform {how!r} is not known")
    return rules[how](y).astype(y.dtype)


@operator("Scaler", domain=ML)
def scaler(x, *, scale=(1.0,), offset=(0.0,)):
    x = real(x)
    return ((x - np.asarray(offset, x.dtype)) * np.asarray(scale, x.dtype)).astype(np.float32)


@operator("LinearRegressor", domain=ML)
def linear_regressor(x, *, coefficients, intercepts=None, targets=1, post_transform="NONE"):
    w = np.asarray(coefficients, np.float32).reshape(targets, -1).T
    y = real(x).astype(np.float32) @ w
    return transformed(y if intercepts is None else y + np.asarray(intercepts, y.dtype),
                       post_transform)  # fmt: skip


@operator("LinearClassifier", domain=ML)
def linear_classifier(x, *, coefficients, intercepts=None, post_transform="NONE", multi_class=0,
                      classlabels_ints=None, classlabels_strings=None):  # fmt: skip
    """Labels, and scores for each class; a single row of weights tells two classes apart."""
    labels: Any = classlabels_strings if classlabels_ints is None else classlabels_ints
    labels = np.asarray(labels, np.int64 if classlabels_ints is not None else object)
    width = x.shape[-1]
    w = np.asarray(coefficients, np.float32).reshape(-1, width).T
    y = real(x).astype(np.float32) @ w
    y = y if intercepts is None else y + np.asarray(intercepts, y.dtype)
    if y.shape[1] == 1 and len(labels) == 2:
        y = np.concatenate([-y, y], 1)
    scores = transformed(y, post_transform)
    return labels[scores.argmax(1)], scores


@operator("Normalizer", domain=ML)
def normalizer(x, *, norm="MAX"):
    x = real(x)
    sizes: dict[str, Any] = {
        "MAX": lambda v: v.max(-1, keepdims=True),
        "L1": lambda v: np.abs(v).sum(-1, keepdims=True),
        "L2": lambda v: np.sqrt((v * v).sum(-1, keepdims=True)),
    }
    size = sizes[norm](x)
    return (x / np.where(size == 0, 1, size)).astype(np.float32)


@operator("Imputer", domain=ML)
def imputer(x, *, imputed_value_floats=None, imputed_value_int64s=None, replaced_value_float=0.0,
            replaced_value_int64=0):  # fmt: skip
    if imputed_value_floats is None:
        return np.where(x == replaced_value_int64, np.asarray(imputed_value_int64s, x.dtype), x)
    old = np.isnan(x) if np.isnan(replaced_value_float) else x == replaced_value_float
    return np.where(old, np.asarray(imputed_value_floats, x.dtype), x)


@operator("FeatureVectorizer", domain=ML)
def feature_vectorizer(*xs, inputdimensions=None):
    return np.concatenate([np.atleast_2d(x).astype(np.float32) for x in xs], 1)
