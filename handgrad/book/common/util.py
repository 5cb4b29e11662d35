"""Helpers of both books: curves, images as columns, words as vectors, evaluation."""

import numpy as np

from handgrad.arrays import Array
from handgrad.book.common.evaluation import eval_perplexity as eval_perplexity
from handgrad.book.common.evaluation import eval_seq2seq as eval_seq2seq
from handgrad.book.common.words import analogy as analogy
from handgrad.book.common.words import cos_similarity as cos_similarity
from handgrad.book.common.words import most_similar as most_similar
from handgrad.book.common.words import normalize as normalize
from handgrad.layers.convolution.unfold import col2im as col2im
from handgrad.layers.convolution.unfold import im2col as im2col
from handgrad.train import text as texts


def smooth_curve(x: Array) -> Array:
    """x averaged over 11 neighbours with the weights of a Kaiser window; the ends are mirrored."""
    window = np.kaiser(11, 2)
    mirrored = np.r_[x[10:0:-1], x, x[-1:-11:-1]]
    return np.convolve(window / window.sum(), mirrored, mode="valid")[5:-5]


def shuffle_dataset(x: Array, t: Array) -> tuple[Array, Array]:
    """x and t in the same random order."""
    order = np.random.permutation(len(x))
    return x[order], t[order]


def conv_output_size(input_size: int, filter_size: int, stride: int = 1, pad: int = 0) -> float:
    """How many positions a filter takes along one axis."""
    return (input_size + 2 * pad - filter_size) / stride + 1


def preprocess(text: str) -> tuple[Array, dict[str, int], dict[int, str]]:
    """The corpus of a text, and the two directions between words and numbers."""
    corpus, vocabulary = texts.preprocess(text)
    return corpus, vocabulary.word_to_id, vocabulary.id_to_word


def convert_one_hot(corpus: Array, vocab_size: int) -> Array:
    """Each id as a one-hot row. Shapes: corpus (…), result (…, V)."""
    return np.eye(vocab_size, dtype=np.int32)[corpus]


def create_co_matrix(corpus: Array, vocab_size: int, window_size: int = 1) -> Array:
    """How often two words stand near each other (V, V)."""
    return texts.co_occurrence(corpus, vocab_size, window_size)


def ppmi(C: Array, verbose: bool = False, eps: float = 1e-8) -> Array:
    """Positive pointwise mutual information (V, V) of counts C."""
    M = texts.ppmi(C, eps)
    if verbose:
        print("100.0% done")
    return M


def create_contexts_target(corpus: Array, window_size: int = 1) -> tuple[Array, Array]:
    """The neighbours of each word, and the word."""
    return texts.contexts_and_targets(corpus, window_size)


def clip_grads(grads: list[Array], max_norm: float) -> None:
    """Shorten gradients, in place, to a common length of max_norm if they are longer."""
    norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
    rate = max_norm / (norm + 1e-6)
    if rate < 1:
        for grad in grads:
            grad *= rate


def to_cpu(x: Array) -> Array:
    """x as a NumPy array."""
    return x if isinstance(x, np.ndarray) else x.get()


def to_gpu(x: Array) -> Array:
    """Refused: the book layers do not take CuPy arrays."""
    raise ValueError("to_gpu: the books' modules run on NumPy; leave config.GPU at False")
