# %% fit, History
from handgrad import Adam, Affine, ReLU, Sequential, accuracy, fit
from handgrad.datasets import digits
from handgrad.train import split

x, t, x_test, t_test = split(*digits())
network = Sequential(Affine(50), ReLU(), Affine(10))
history = fit(network, x, t, optimizer=Adam(0.003), epochs=10, validation=0.1)
print(len(history["val_loss"]), history["val_loss"][-1] < history["val_loss"][0])
print(network.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"] > 0.9)

# %% Trainer
from handgrad import Affine, Sequential, Trainer
from handgrad.datasets import digits

trainer = Trainer(Sequential(Affine(10)), *digits(), epochs=2)
trainer.run()
print(trainer.epoch, trainer.step)

# %% Callback
from handgrad import Affine, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import Callback


class Tell(Callback):
    """Prints the loss after each epoch."""

    def on_epoch(self, trainer):
        print(trainer.epoch, round(trainer.history["loss"][-1], 3))


fit(Sequential(Affine(10)), *digits(), epochs=2, callbacks=[Tell()])

# %% Call
from handgrad import Affine, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import Call

fit(Sequential(Affine(10)), *digits(), epochs=2, callbacks=[Call(lambda t: print(t.epoch))])

# %% Progress
from handgrad import Affine, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import Progress

fit(Sequential(Affine(10)), *digits(), epochs=2, callbacks=[Progress(False)])

# %% EarlyStopping
from handgrad import Affine, EarlyStopping, Sequential, fit
from handgrad.datasets import digits

stop = EarlyStopping(patience=2)
history = fit(Sequential(Affine(10)), *digits(), validation=0.2, epochs=100, callbacks=[stop])
print(history.stopped)

# %% SaveModel
from handgrad import Affine, SaveModel, Sequential, fit, load
from handgrad.datasets import digits

fit(Sequential(Affine(10)), *digits(), epochs=2, callbacks=[SaveModel("model.safetensors")])
print(load("model.safetensors"))

# %% save, load
import numpy as np
from handgrad import Affine, Sequential, load, save

network = Sequential(Affine(2, inputs=3))
x = np.ones((1, 3), np.float32)
before = network.predict(x)
save(network, "model.safetensors")
print(np.array_equal(load("model.safetensors").predict(x), before))

# %% load_checkpoint, Checkpoint
from handgrad import Affine, Sequential, save
from handgrad.train import load_checkpoint

save(Sequential(Affine(2, inputs=3)), "model.safetensors", info={"author": "me"})
print(load_checkpoint("model.safetensors").info)

# %% DivergenceError
from handgrad import SGD, Affine, DivergenceError, ReLU, Sequential, fit
from handgrad.datasets import digits

try:
    fit(Sequential(Affine(50), ReLU(), Affine(10)), *digits(), optimizer=SGD(1e30), epochs=5)
except DivergenceError as error:
    print(error.what)

# %% EMA, SWA
from handgrad import Affine, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import {NAME}

history = fit(Sequential(Affine(10)), *digits(), epochs=4, average={NAME}())
print(round(history["accuracy"][-1], 1))
