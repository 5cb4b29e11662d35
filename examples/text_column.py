"""A column of text beside numbers: a bag of words, from a table to a model and its answers."""

import numpy as np

from handgrad import Affine, Sequential, accuracy, fit
from handgrad.train import load_checkpoint, read_table, save

rng = np.random.default_rng(0)
good, bad = ["great", "lovely", "fast"], ["broken", "slow", "rude"]
rest = ["the", "shop", "sent", "a", "box", "with", "my", "new", "lamp", "and", "it", "was"]
lines = ["stars,review,happy"]
for i in range(400):
    happy = i % 2
    words = [*rng.choice(rest, 6), rng.choice(good if happy else bad), *rng.choice(rest, 3)]
    stars = int(np.clip(rng.normal(3 + happy), 1, 5))
    lines.append(f'{stars},"{" ".join(words)}.",{"yes" if happy else "no"}')
with open("reviews.csv", "w") as file:
    file.write("\n".join(lines))

table = read_table("reviews.csv", target="happy", text=["review"])
print(table)
data = table.split()
network = Sequential(Affine(2), seed=0)
fit(network, data.x_train, data.t_train, epochs=40)
print(network.evaluate(data.x_test, data.t_test, metrics=[accuracy]))

weights = network[0].W[:, 1] - network[0].W[:, 0]  # linear: what speaks for yes, and for no
order = np.argsort(weights)
print("no: ", [data.columns[i] for i in order[:3]])
print("yes:", [data.columns[i] for i in order[-3:]])

save(network, "reviews.safetensors", input=data.input, output=data.output, table=data.table)
saved = load_checkpoint("reviews.safetensors")
y = saved.predict({"review": ["a lovely box", "so slow, so rude"], "stars": [3, 3]})
print([saved.output.classes[k] for k in y.argmax(axis=1)])
