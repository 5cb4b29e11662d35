"""Gradients of gradients: Newton's method by Hessian-vector products, and a curvature."""

import numpy as np

from handgrad import Tensor, grad, hvp

x = Tensor(np.array([1.0, 2.0]))
y = (x**4).sum() + x[0] * x[1]
(dx,) = grad(y, [x], create_graph=True)
print("gradient", dx.data)
(ddx,) = grad((dx * np.array([1.0, 0.0])).sum(), [x])
print("first row of the Hessian", ddx)
print("the same by a product", hvp(lambda v: (v**4).sum() + v[0] * v[1], x, np.array([1.0, 0.0])))
