"""Text: words as numbers, counting, similarity, batches in order, and tasks made by program."""

from handgrad.train.text.batches import contexts_and_targets, pad, truncated_batches
from handgrad.train.text.counting import co_occurrence, ppmi, truncated_svd
from handgrad.train.text.similarity import analogy, most_similar
from handgrad.train.text.tasks import additions, as_arrays, dates
from handgrad.train.text.vocabulary import Vocabulary, preprocess, read_penn_treebank, split_words

__all__ = [
    "Vocabulary", "additions", "analogy", "as_arrays", "co_occurrence", "contexts_and_targets",
    "dates", "most_similar", "pad", "ppmi", "preprocess", "read_penn_treebank", "split_words",
    "truncated_batches", "truncated_svd",
]  # fmt: skip
