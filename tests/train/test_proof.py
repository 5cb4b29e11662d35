"""The proof that opens a training: right at any size of the loss, and wrong where it is wrong."""

import pytest

from handgrad import Affine, ReLU, Sequential, Standardize, loss_for
from handgrad.train.proof import prove_network


class Late(ReLU):
    """Its backward is one per cent off."""

    def backward(self, dy):
        return super().backward(dy) * 1.01


def proof(target, activation, rng):
    x = rng.normal(size=(8, 5))
    t = target * (1 + 0.1 * rng.normal(size=(8, 1)))
    network = Sequential(Standardize.of(x), Affine(40), activation, Affine(1))
    return prove_network(network, x, t, loss_for(t))


@pytest.mark.parametrize("target", [1e-3, 1, 4e3, 4e5, 2e6])
def test_the_error_is_judged_beside_the_rounding_of_the_loss(target, rng):
    assert proof(target, ReLU(), rng).right
    wrong = proof(target, Late(), rng)
    assert not wrong.right
    marks = {row.path: row.verdict for row in wrong.rows}
    assert (marks["1.W"], marks["3.W"]) == ("WRONG", "right")


def test_a_loss_beyond_all_digits_cannot_tell(rng):
    said = proof(4e10, ReLU(), rng)
    assert said.right
    assert "cannot tell (rounding of the loss: " in str(said)


@pytest.mark.parametrize(("curve", "right"), [(ReLU(), True), (Late(), False)])
def test_a_kink_at_the_parameter_itself_is_no_mistake(curve, right, rng):
    x = rng.normal(size=(8, 4)) * (rng.random((8, 1)) < 0.5)  # samples of 0, biases of 0
    network = Sequential(Affine(5), curve, Affine(1))
    assert prove_network(network, x, x[:, :1] + 1, loss_for(x)).right == right
