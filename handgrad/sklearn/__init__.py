"""Estimators of scikit-learn: its multilayer perceptrons, trained by the native engine."""

from handgrad.naming import names_of
from handgrad.sklearn.classifier import MLPClassifier
from handgrad.sklearn.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

__getattr__, __dir__ = names_of(__name__, __all__)
