# %% check, Report
import numpy as np
from handgrad import check


class Square:
    """y = x², with a mistake in backward."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dy):
        return dy * self.x


report = check(Square(), np.random.default_rng(0).normal(size=(4, 3)))
print(report.verdict, report.cause)
print(bool(report))

# %% numerical_gradient
import numpy as np
from handgrad import numerical_gradient

print(np.round(numerical_gradient(lambda x: np.sum(x**2), np.array([3.0, 4.0])), 6))

# %% check_optimizer, OptimizerReport
from handgrad import check_optimizer


class Descent:
    """Gradient descent, uphill."""

    def update(self, params, grads):
        for name in params:
            params[name] += 0.1 * grads[name]


print(check_optimizer(Descent()))

# %% gradient_check
import numpy as np
from handgrad.testing import gradient_check


@gradient_check(samples=[np.random.default_rng(0).normal(size=(4, 3))])
class Double:
    """y = 2 x; pytest runs its check."""

    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


# %% draw, Picture
from handgrad import Tensor, draw

apple, count, tax = Tensor(100.0, name="apple"), Tensor(2.0, name="count"), Tensor(1.1, name="tax")
price = apple * count * tax
price.backward()
print(draw(price))

# %% draw_curves
from handgrad.explain import draw_curves

try:
    print(draw_curves({"loss": [1.0, 0.5], "val_loss": [1.1, 0.7]}, "curves.svg"))
except ImportError as error:
    print(error)
