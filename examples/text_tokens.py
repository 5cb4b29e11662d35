"""Text as tokens: words become ids, each id a vector, and an LSTM reads the vectors in order.

Here the order decides: "slow but not dear" and "dear but not slow" are the same bag of words.
"""

import numpy as np

from handgrad import LSTM, Affine, Embedding, Index, Sequential, accuracy, fit
from handgrad.train import split
from handgrad.train.text import Vocabulary, pad, split_words

rng = np.random.default_rng(0)
reviews, happy = [], []
for _ in range(800):
    thing = rng.choice(["the lamp", "this box", "my order", "it"])
    praise, blame = rng.choice(["good", "fast", "lovely"]), rng.choice(["slow", "broken", "dear"])
    content = int(rng.integers(2))
    yes, no = (praise, blame) if content else (blame, praise)
    reviews.append(f"{thing} was {rng.choice([f'{yes} but not {no}', f'not {no} but {yes}'])}")
    happy.append(content)

tokens = [split_words(review) for review in reviews]
vocabulary = Vocabulary(["<end>"])  # id 0 fills short texts up
for words in tokens:
    vocabulary.add(words)
ids = pad([vocabulary.encode(words) for words in tokens], value=0)
print(reviews[0], "->", ids[0])

x, t, x_test, t_test = split(ids, happy)
network = Sequential(
    Embedding(len(vocabulary), 8), LSTM(16), Index((slice(None), -1)), Affine(2), seed=0
)
fit(network, x, t, epochs=20)
print(network.evaluate(x_test, t_test, metrics=[accuracy]))
