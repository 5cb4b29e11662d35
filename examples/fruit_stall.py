"""A fruit stall as a computational graph, by hand and on tensors: what does one more apple cost?"""

from handgrad import Add, Mul, Tensor

# By hand: forward from left to right, then backward from right to left.
apples, oranges, total, tax = Mul(), Mul(), Add(), Mul()
price = tax.forward(total.forward(apples.forward(100.0, 3.0), oranges.forward(50.0, 4.0)), 1.1)
dtotal, dtax = tax.backward(1.0)
dapples, doranges = total.backward(dtotal)
dapple_price, dapple_count = apples.backward(dapples)
dorange_price, dorange_count = oranges.backward(doranges)
print(f"3 apples at 100 and 4 oranges at 50, with tax: {price:.0f}")
print(
    f"gradients: tax {dtax:.0f}, sum {dtotal:.1f}, apple price {dapple_price:.1f}, apple count "
    f"{dapple_count:.0f}, orange price {dorange_price:.1f}, orange count {dorange_count:.0f}"
)

# On tensors: the operators record the same layers.
apple, count = Tensor(100.0), Tensor(3.0)
price = (apple * count + 50.0 * 4.0) * 1.1
price.backward()
print(f"one more apple costs {count.grad:.0f}")
