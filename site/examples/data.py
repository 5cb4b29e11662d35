# %% digits
from handgrad.datasets import digits

x, t = digits()
print(x.shape, x.dtype, t[:10])

# %% moons, circles, spiral
from handgrad.datasets import {NAME}

x, t = {NAME}()
print(x.shape, sorted(set(t.tolist())))

# %% sine
from handgrad.datasets import sine

x, t = sine()
print(x.shape, t.shape)

# %% gates
from handgrad.datasets import gates

x, t = gates("xor")
print(x.tolist(), t.tolist())

# %% mnist, fashion_mnist, cifar10
from handgrad.datasets import {NAME}

try:
    (x_train, t_train), (x_test, t_test) = {NAME}("data")  # the folder with its files
    print(x_train.shape, t_train.shape)
except OSError as error:
    print(type(error).__name__)

# %% split
from handgrad.datasets import digits
from handgrad.train import split

x, t, x_test, t_test = split(*digits(), fraction=0.2)
print(len(x), len(x_test))

# %% windows
import numpy as np
from handgrad.train import windows

x, t = windows(np.arange(6.0), 3)
print(x[..., 0])
print(t[:, 0])

# %% read_csv
from pathlib import Path

from handgrad.train import read_csv

Path("flowers.csv").write_text("length,width,kind\n1.5,0.2,setosa\n4.7,1.4,versicolor\n")
x, t, classes = read_csv("flowers.csv")
print(x, t, classes)

# %% read_table, Table, TableSpec
from pathlib import Path

from handgrad.train import read_table

Path("people.csv").write_text("age,city,income\n31,Oslo,3.5\n?,Rome,2.0\n40,Oslo,4.0\n22,Rome,2.5\n")
table = read_table("people.csv", target="income")
print(table)

# %% read_pictures
from pathlib import Path

import numpy as np

try:
    from PIL import Image

    from handgrad.train import read_pictures

    for name in ("cat", "dog"):
        Path("pictures", name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(f"pictures/{name}/1.png")
    x, t, classes = read_pictures("pictures")
    print(x.shape, t, classes)
except ImportError:
    print("Pillow is not installed")

# %% InputSpec
import numpy as np
from handgrad.train import InputSpec

spec = InputSpec((2,), mean=10.0, scale=2.0)
print(spec.prepare(np.array([[12.0, 8.0]])))

# %% OutputSpec
import numpy as np
from handgrad.train import OutputSpec

spec = OutputSpec("scores", classes=("cat", "dog"))
print(list(spec.rows(np.array([[2.0, -1.0], [0.0, 1.0]]))))
