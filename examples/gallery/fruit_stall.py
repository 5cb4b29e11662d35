"""The fruit stall: what two apples and three oranges cost, and what each price is worth."""

import numpy as np
from frame import done

from handgrad import Tensor, draw

apple, apples = Tensor(np.array(100.0), name="apple"), Tensor(np.array(2.0), name="apples")
orange, oranges = Tensor(np.array(150.0), name="orange"), Tensor(np.array(3.0), name="oranges")
tax = Tensor(np.array(1.1), name="tax")
price = (apple * apples + orange * oranges) * tax
price.backward()
picture = draw(price)
print(picture.text)
done(
    __file__, picture.svg,
    f"price {price.item():.0f}; one more apple costs {apples.grad:.0f}, one more orange "
    f"{oranges.grad:.0f}; for each point of tax {tax.grad / 100:.1f}",
)  # fmt: skip
