"""Stream: networks that learn from samples as they come."""

from handgrad.stream.by_name import DictClassifier, DictRegressor
from handgrad.stream.learner import Learner, online

__all__ = ["DictClassifier", "DictRegressor", "Learner", "online"]
