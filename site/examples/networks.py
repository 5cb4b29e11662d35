# %% Sequential
import numpy as np
from handgrad import Affine, ReLU, Sequential, SoftmaxCrossEntropy

network = Sequential(Affine(8), ReLU(), Affine(3))
x, t = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 2, 1, 1, 0])
loss = SoftmaxCrossEntropy()
print(loss.forward(network.forward(x), t).round(4))
network.backward(loss.backward(1.0)[0])
print(network.layers[0].dW.shape)
print(network.summary(x))

# %% Network
import numpy as np
from handgrad import Affine, Network, Tanh


class Twice(Network):
    """One layer, used two times: its gradients are summed."""

    def __init__(self):
        self.layer, self.tanh = Affine(3, inputs=3), Tanh()

    def __call__(self, x):
        return self.layer(self.tanh(self.layer(x)))


network = Twice()
print(network.predict(np.ones((2, 3))).shape)
print(network.parameters.size)  # the one layer has all of them

# %% Residual
import numpy as np
from handgrad import Affine, ReLU, Residual, Sequential

block = Residual(Sequential(Affine(4), ReLU()))  # y = x + body(x)
x = np.random.default_rng(0).normal(size=(2, 4))
print(block.forward(x).shape, block.backward(np.ones((2, 4))).shape)

# %% Parallel
import numpy as np
from handgrad import Affine, Parallel, Tanh

both = Parallel(Affine(2), Tanh())  # the outputs side by side
print(both.forward(np.ones((3, 4))).shape)

# %% Parameter
import numpy as np
from handgrad import Network, Parameter


class Scaled(Network):
    """y = a · x, a learned."""

    def __init__(self):
        self.a = Parameter(np.array(2.0))

    def __call__(self, x):
        return self.a * x


print(Scaled().predict(np.array([[1.0, 3.0]])))

# %% Layer
import numpy as np
from handgrad import Layer, check


class Scale(Layer):
    """y = a · x. Gradient: dx = dy · a, da = Σ dy · x."""

    params = ("a",)

    def __init__(self, a=2.0):
        self.a = np.array(a)

    def forward(self, x):
        self.x = x
        return self.a * x

    def backward(self, dy):
        self.da = np.sum(dy * self.x)
        return dy * self.a


print(check(Scale(), np.random.default_rng(0).normal(size=(4, 3))))

# %% Tensor
from handgrad import Tensor

x, y = Tensor(3.0), Tensor(4.0)
z = x * y + x  # x is used twice: its gradients are summed
z.backward()
print(z.item(), x.grad, y.grad)

# %% no_grad
from handgrad import Tensor, no_grad

x = Tensor([1.0, 2.0])
with no_grad():
    y = x * x
print(y.creator)  # nothing was recorded

# %% grad
from handgrad import Tensor, grad

x = Tensor(2.0)
y = x * x * x
(first,) = grad(y, [x], create_graph=True)
(second,) = grad(first, [x])
print(first.item(), second.item())  # 3 x², 6 x

# %% hessian
import numpy as np
from handgrad import Tensor, hessian

print(hessian(lambda x: (x * x * x).sum(), np.array([1.0, 2.0])))

# %% hvp
import numpy as np
from handgrad import hvp

print(hvp(lambda x: (x * x * x).sum(), np.array([1.0, 2.0]), np.array([1.0, 0.0])))

# %% ShapeError
import numpy as np
from handgrad import Affine, ShapeError

try:
    Affine(2, inputs=3).forward(np.ones((5, 4)))
except ShapeError as error:
    print(error)
