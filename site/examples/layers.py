# %% Bidirectional
import numpy as np
from handgrad import GRU, Bidirectional

layer = Bidirectional(GRU(3), GRU(3))
x = np.random.default_rng(0).normal(size=(2, 5, 4))  # (N, T, D)
print(layer.forward(x).shape)

# %% Stacked
import numpy as np
from handgrad import LSTM, Stacked

layer = Stacked([LSTM(8), LSTM(3)], dropout=0.1)
x = np.random.default_rng(0).normal(size=(2, 5, 4))  # (N, T, D)
print(layer.forward(x).shape)

# %% Categorical
import numpy as np
from handgrad import Categorical

actions = Categorical(np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0]]))
print(actions.sample(np.random.default_rng(0)))
print(np.round(actions.entropy(), 3))

# %% Normal
import numpy as np
from handgrad import Normal

actions = Normal(np.array([[0.0, 1.0]]), np.array([[0.0, -1.0]]))
print(np.round(actions.log_prob(np.array([[0.5, 1.0]])), 3))

# %% im2col, col2im
import numpy as np
from handgrad import col2im, im2col

images = np.arange(16.0).reshape(1, 1, 4, 4)
rows = im2col(images, 2, 2, stride=2)
print(rows)
print(np.array_equal(col2im(rows, images.shape, 2, 2, stride=2), images))  # no window overlaps

# %% length_mask
from handgrad import length_mask

print(length_mask([1, 3], 4))

# %% Loss
import numpy as np
from handgrad import Loss


class LogCosh(Loss):
    """The mean of ln cosh(y − t)."""

    def forward(self, y, t, weights=None):
        self.d = y - t
        return float(np.mean(np.logaddexp(self.d, -self.d) - np.log(2)))

    def backward(self, dloss=1.0):
        return dloss * np.tanh(self.d) / self.d.size, None


print(LogCosh().forward(np.array([0.5, 2.0]), np.array([0.0, 0.0])))

# %% ElementwiseLoss
import numpy as np
from handgrad import ElementwiseLoss, check


class LogCosh(ElementwiseLoss):
    """ln cosh(y − t). Gradient of a term: tanh(y − t)."""

    def term(self, y, t):
        self.d = y - t
        return np.logaddexp(self.d, -self.d) - np.log(2)

    def derivative(self):
        return np.tanh(self.d)


rng = np.random.default_rng(0)
print(check(LogCosh(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3))).verdict)

# %% loss_for
import numpy as np
from handgrad import loss_for

print(loss_for(np.array([0, 2, 1])), loss_for(np.array([0.5, 1.5])))

# %% meant
import numpy as np
from handgrad import meant

scores, labels = np.zeros((3, 4)), np.array([0, 3, 1])
loss, t = meant(labels, scores)
print(loss, t)

# %% value_of
import numpy as np
from handgrad import MeanSquaredError, value_of

print(value_of(MeanSquaredError(), np.array([[1.0], [2.0]]), np.array([[0.0], [0.0]])))

# %% counted
import numpy as np
from handgrad import SoftmaxCrossEntropy, counted

loss = SoftmaxCrossEntropy(ignore_index=-1)
y, t = counted(loss, np.zeros((3, 2)), np.array([1, -1, 0]))
print(len(y), t)

# %% check_scores
import numpy as np
from handgrad import ShapeError, SoftmaxCrossEntropy, check_scores

try:
    check_scores(SoftmaxCrossEntropy(), (3, 1), np.array([0, 1, 1]))
except ShapeError as error:
    print(error)

# %% UnigramSampler
import numpy as np
from handgrad import UnigramSampler

sampler = UnigramSampler([10, 5, 1, 1])
print(np.round(sampler.p, 3))
