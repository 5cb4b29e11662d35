# %% search, SearchResult, Row, choice
from handgrad import Adam, Affine, ReLU, Sequential, search
from handgrad.datasets import digits
from handgrad.searching import choice, log_uniform


def make(width, lr):
    """A network and how it is trained."""
    return Sequential(Affine(width), ReLU(), Affine(10)), {"optimizer": Adam(lr)}


space = {"width": choice(20, 50), "lr": log_uniform(1e-4, 1e-2)}
result = search(make, space, *digits(), candidates=3, epochs=2, processes=1)
print(len(result.rows), sorted(result.rows[0].params))

# %% integer, uniform, log_uniform
from handgrad.searching import {NAME}

print({NAME}(1, 100))

# %% lr_range, LearningRates
from handgrad import Affine, ReLU, Sequential, lr_range
from handgrad.datasets import digits

found = lr_range(Sequential(Affine(50), ReLU(), Affine(10)), *digits())
print(1e-4 < found.suggestion < 1)

# %% online, Learner
import numpy as np
from handgrad import SGD, Affine, MeanSquaredError, Sequential, online

learner = online(Sequential(Affine(1)), MeanSquaredError(), SGD(0.1), shape=(2,))
rng = np.random.default_rng(0)
for _ in range(200):
    x = rng.normal(size=2).astype(np.float32)
    learner.update(x, x[:1] - x[1:])
print(np.round(learner.predict(np.array([2.0, 1.0], np.float32)), 2))

# %% DictClassifier
from handgrad.stream import DictClassifier

model = DictClassifier()
for _ in range(50):
    model.learn_one({"sweet": 1.0, "round": 1.0}, "apple")
    model.learn_one({"sweet": 0.9, "round": 0.0}, "banana")
print(model.predict_one({"sweet": 1.0, "round": 0.9}))

# %% DictRegressor
from handgrad.stream import DictRegressor

model = DictRegressor()
for day in range(100):
    model.learn_one({"day": day % 7}, float(day % 7 > 4))
print(type(model.predict_one({"day": 6})).__name__)

# %% MLPClassifier
from handgrad.sklearn import MLPClassifier
from sklearn.datasets import load_iris

x, t = load_iris(return_X_y=True)
print(MLPClassifier((20,), random_state=0).fit(x, t).score(x, t) > 0.9)

# %% MLPRegressor
from handgrad.sklearn import MLPRegressor
from sklearn.datasets import load_diabetes

x, t = load_diabetes(return_X_y=True)
print(MLPRegressor(hidden_layer_sizes=(20,), random_state=0).fit(x, t).score(x, t) > 0.4)

# %% export_c, Exported
import numpy as np
from handgrad import Affine, ReLU, Sequential, export_c

network = Sequential(Affine(8), ReLU(), Affine(3))
network.predict(np.ones((1, 4), np.float32))
exported = export_c(network, "network.c", training=False)
print(exported.source.name, exported.header.name, exported.weights)

# %% compile_training, Training
import numpy as np
from handgrad import SGD, Affine, Sequential, SoftmaxCrossEntropy
from handgrad.compile import compile_training, why_not
from handgrad.datasets import digits

x, t = digits()
if not why_not():
    network = Sequential(Affine(10))
    program = compile_training(network, SoftmaxCrossEntropy(), SGD(0.1), x, t, batch=32)
    print(program)

# %% compile_prediction, Prediction
import numpy as np
from handgrad import Affine, Sequential
from handgrad.compile import compile_prediction, why_not

x = np.ones((4, 3), np.float32)
if not why_not():
    program = compile_prediction(Sequential(Affine(2)), x, batch=4)
    print(program(x).shape)

# %% isa
from handgrad.compile import isa

print(isa() in ("AVX-512", "AVX2", "NEON", ""))

# %% why_not
from handgrad.compile import why_not

print(isinstance(why_not(), str))

# %% usable_threads
from handgrad.compile import usable_threads

print(usable_threads() >= 1)

# %% NotNative
import numpy as np
from handgrad import SGD, Affine, MeanSquaredError, Sequential
from handgrad.compile import NotNative, compile_training

network = Sequential(Affine(1), dtype=np.float64)
try:
    compile_training(network, MeanSquaredError(), SGD(), np.ones((4, 2)), np.ones((4, 1)), batch=2)
except NotNative as error:
    print(type(error).__name__)
