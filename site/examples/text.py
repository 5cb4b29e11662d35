# %% Vocabulary
from handgrad.train.text import Vocabulary

vocabulary = Vocabulary(["you", "say", "goodbye"])
print(len(vocabulary))

# %% preprocess, co_occurrence, ppmi, most_similar, contexts_and_targets
from handgrad.train.text import co_occurrence, contexts_and_targets, most_similar, ppmi, preprocess

corpus, vocabulary = preprocess("You say goodbye and I say hello.")
counts = co_occurrence(corpus, len(vocabulary))
contexts, targets = contexts_and_targets(corpus)
print(corpus, contexts.shape, targets.shape)
print(most_similar("you", vocabulary, ppmi(counts), top=2))

# %% truncated_svd
import numpy as np
from handgrad.train.text import truncated_svd

U, S, Vt = truncated_svd(np.diag([3.0, 2.0, 1.0]), 2)
print(np.round(S, 3))

# %% analogy
import numpy as np
from handgrad.train.text import Vocabulary, analogy

vocabulary = Vocabulary(["king", "man", "woman", "queen", "apple"])
vectors = np.array([[1.0, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [-1, 0, 0]])
print(analogy("man", "king", "woman", vocabulary, vectors, top=1))

# %% split_words
from handgrad.train.text import split_words

print(split_words("You say goodbye."))

# %% additions, dates
from handgrad.train.text import as_arrays, {NAME}

pairs = {NAME}(1000)
print(pairs[0])
questions, answers, characters = as_arrays(pairs)
print(questions.shape, answers.shape, len(characters))

# %% as_arrays
from handgrad.train.text import as_arrays

questions, answers, characters = as_arrays([("1+2", "_3"), ("4+4", "_8")])
print(questions)

# %% pad
from handgrad.train.text import pad

print(pad([[3, 1, 2], [5]], value=0))

# %% truncated_batches
import numpy as np
from handgrad.train.text import truncated_batches

for x, t in truncated_batches(np.arange(13), batch=2, steps=3):
    print(x.tolist(), t.tolist())

# %% read_penn_treebank
from pathlib import Path

from handgrad.train.text import read_penn_treebank

Path("ptb.train.txt").write_text(" no it was n't black monday \n but it was \n")
corpus, vocabulary = read_penn_treebank("ptb.train.txt")
print(corpus, len(vocabulary))
