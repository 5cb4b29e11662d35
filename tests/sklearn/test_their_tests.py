"""The tests that scikit-learn has for its multilayer perceptrons, with ours in their stead."""

from __future__ import annotations

import importlib.util

import pytest

pytest.importorskip("sklearn", reason="the estimators are for scikit-learn")
import sklearn.neural_network as theirs

import handgrad.sklearn as ours

# What does not pass, and why.
EXCEPTIONS = {
    "test_gradient": "calls the private _loss_grad_lbfgs; the prover checks our layers",
    "test_learning_rate_warmstart": "reads the private _optimizer, and the usual rate as a number",
    "test_adaptive_learning_rate": "reads the private _optimizer; ours is learning_rate_",
    "test_nonfinite_params": "wants inputs of 1e308 to fail, which scaling inside makes learnable",
    "test_lbfgs_classification_maxfun": "wants ten evaluations to be too few; scaled, they are not",
}  # fmt: skip


def their_module():
    """A fresh copy of their module of tests, which imports our classes."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "MLPClassifier", ours.MLPClassifier)
        patch.setattr(theirs, "MLPRegressor", ours.MLPRegressor)
        spec.loader.exec_module(module)
    return module


module = their_module()
if module is None:
    pytest.skip("scikit-learn is installed without its tests", allow_module_level=True)


def taken(name):
    """A test of theirs, skipped with the reason where it is an exception."""
    test = pytest.mark.filterwarnings("ignore")(getattr(module, name))
    return pytest.mark.skip(reason=EXCEPTIONS[name])(test) if name in EXCEPTIONS else test


for _name in dir(module):
    if _name.startswith("test_"):
        globals()[_name] = taken(_name)


@pytest.fixture
def global_random_seed():
    return 0


def test_the_module_is_the_one_that_is_meant():
    assert module.MLPClassifier is ours.MLPClassifier
    assert sum(name.startswith("test_") for name in dir(module)) >= 30
    assert set(EXCEPTIONS) <= set(dir(module))
