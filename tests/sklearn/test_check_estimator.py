"""scikit-learn's own checks of an estimator, all of them, for both."""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
from sklearn.utils.estimator_checks import estimator_checks_generator

from handgrad.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()], ids=str)
def test_every_check_passes(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model, check in estimator_checks_generator(estimator):
            try:
                check(model)
            except Exception as error:
                if type(error).__name__ != "SkipTest":  # such as: SCIPY_ARRAY_API is not set
                    raise AssertionError(f"{check}: {error}") from error
