"""Counting: which words stand near each other, PPMI, and the singular value decomposition."""

import numpy as np
from frame import done, english, of, panels

from handgrad.train.text import (
    co_occurrence,
    most_similar,
    ppmi,
    preprocess,
    split_words,
    truncated_svd,
)

words = [word for word in split_words(english()) if word.isalpha()][: of(60_000, 2000)]
corpus, vocabulary = preprocess(" ".join(words), str.split)
counts = co_occurrence(corpus, len(vocabulary), window=3)
measure = ppmi(counts)
vectors, sizes, _ = truncated_svd(measure, 60)

figure, axes = panels(3)
often = np.argsort(-np.bincount(corpus))[:40]
axes[0].imshow(np.log1p(counts[np.ix_(often, often)]))
axes[0].set(title="counts (log), 40 words", xticks=[], yticks=[])
axes[1].plot(sizes)
axes[1].set(title="singular values of PPMI")
shown = often[10:40]
axes[2].scatter(*vectors[shown, 1:3].T, s=4)
for word in shown:
    axes[2].annotate(vocabulary.id_to_word[word], vectors[word, 1:3], fontsize=6)
axes[2].set(title="in two dimensions", xticks=[], yticks=[])
near = {
    word: " ".join(other for other, _ in most_similar(word, vocabulary, vectors, 3))
    for word in ("class", "integer", "exception")
    if word in vocabulary.word_to_id
}
done(
    __file__, figure,
    f"{len(corpus):,} words of Python's reference, {len(vocabulary):,} different; "
    + "; ".join(f"like {word}: {others}" for word, others in near.items()),
)  # fmt: skip
