# %% SGD, Momentum, Nesterov, AdaGrad, RMSProp, Adam, AdamW, AMSGrad, NAdam, RAdam, Lion, AdaDelta
import numpy as np
from handgrad.optim import {NAME}

params = {"W": np.array([1.0, -2.0])}
optimizer = {NAME}()
for _ in range(3):
    grads = {"W": 2 * params["W"]}  # of W²
    optimizer.update(params, grads)
print(params["W"])

# %% LBFGS
import numpy as np
from handgrad import LBFGS, Affine, Sequential, Tanh, fit

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 2)).astype(np.float32)
t = np.sin(x[:, :1]) * x[:, 1:]
history = fit(Sequential(Affine(8), Tanh(), Affine(1)), x, t, optimizer=LBFGS(), epochs=50)
print(history["loss"][-1] < 0.01 * history["loss"][0])

# %% LevenbergMarquardt
import numpy as np
from handgrad import Affine, LevenbergMarquardt, Sequential, Tanh, fit

rng = np.random.default_rng(0)
x = rng.normal(size=(60, 2)).astype(np.float32)
t = np.sin(x[:, :1]) * x[:, 1:]
history = fit(
    Sequential(Affine(8), Tanh(), Affine(1)), x, t, optimizer=LevenbergMarquardt(), epochs=30
)
print(history["loss"][-1] < 0.01 * history["loss"][0])

# %% Optimizer
import numpy as np
from handgrad.optim import Adam, Optimizer

rule = Adam(0.01, clip_norm=1.0, l2=1e-4)
print(isinstance(rule, Optimizer), rule)

# %% make_optimizer
from handgrad.optim import make_optimizer

print(make_optimizer("rmsprop", 0.01))

# %% clip_by_norm, global_norm
import numpy as np
from handgrad.optim import clip_by_norm, global_norm

gradients = [np.array([3.0, 0.0]), np.array([[4.0]])]
print(global_norm(gradients))
clip_by_norm(gradients, 1.0)
print(gradients)

# %% clip_by_value
import numpy as np
from handgrad.optim import clip_by_value

gradients = [np.array([3.0, -0.2])]
clip_by_value(gradients, 1.0)
print(gradients)

# %% Constant
from handgrad.optim import Constant

print(Constant(0.1)(0), Constant(0.1)(1000))

# %% StepDecay
from handgrad.optim import StepDecay

schedule = StepDecay(0.1, every=100)
print(schedule(99), schedule(100))

# %% ExponentialDecay
from handgrad.optim import ExponentialDecay

schedule = ExponentialDecay(0.1, every=100, factor=0.5)
print(schedule(0), schedule(50), schedule(100))

# %% CosineDecay
from handgrad.optim import SGD, CosineDecay

schedule = CosineDecay(0.1, steps=1000)
print(schedule(0), round(schedule(500), 3), schedule(1000))
optimizer = SGD(schedule)  # every rule takes a schedule for lr

# %% CosineRestarts
from handgrad.optim import CosineRestarts

schedule = CosineRestarts(0.1, steps=100, longer=2)
print([round(float(schedule(s)), 3) for s in (0, 50, 99, 100, 200)])

# %% Cyclic
from handgrad.optim import Cyclic

schedule = Cyclic(0.01, 0.1, half=10)
print([round(float(schedule(s)), 3) for s in (0, 5, 10, 20)])

# %% OneCycle
from handgrad.optim import OneCycle

schedule = OneCycle(0.1, steps=100)
print([round(float(schedule(s)), 4) for s in (0, 30, 60, 99)])

# %% WarmUp
from handgrad.optim import CosineDecay, WarmUp

schedule = WarmUp(CosineDecay(0.1, steps=1000), steps=10)
print([round(float(schedule(s)), 4) for s in (0, 5, 10)])

# %% Plateau
from handgrad.optim import Plateau

schedule = Plateau(0.1, patience=1)
for loss in (1.0, 0.9, 0.9, 0.9):
    schedule.observe(loss)
print(schedule(0))

# %% Schedule
from handgrad.optim import SGD, Schedule


class Inverse(Schedule):
    """η(s) = lr / (1 + s)."""

    def __init__(self, lr):
        self.lr = lr

    def __call__(self, step):
        return self.lr / (1 + step)


print(Inverse(0.1)(9))
