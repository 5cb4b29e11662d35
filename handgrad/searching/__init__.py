"""Search: hyperparameters by trial, in processes; the learning-rate range test."""

from handgrad.naming import names_of
from handgrad.searching.rates import LearningRates, lr_range
from handgrad.searching.rounds import search
from handgrad.searching.space import choice, integer, log_uniform, uniform
from handgrad.searching.table import Row, SearchResult

__all__ = [
    "LearningRates", "Row", "SearchResult", "choice", "integer", "log_uniform", "lr_range",
    "search", "uniform",
]  # fmt: skip

__getattr__, __dir__ = names_of(__name__, __all__)
