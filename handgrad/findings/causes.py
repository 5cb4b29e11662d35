"""The causes: what each mistake is called, what it is akin to, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """One kind of mistake.

    Causes of one `family` cannot always be told apart from outside. Where several are seen with
    equal certainty, the lowest `rank` is named: the one that is least likely seen by accident.
    """

    name: str
    family: str
    rank: int
    advice: str

    @property
    def anchor(self) -> str:
        """Its section in the page of mistakes."""
        return f"docs/mistakes.md#{self.name}"


_TABLE = (
    Cause("wrong_formula", "formula", 9,
          "The derivative is another function: derive it again from the forward."),
    Cause("missing_term", "formula", 8,
          "A part of the derivative is left out: every path from the input to the output adds "
          "one term."),
    Cause("wrong_sign", "factor", 5, "A sign is wrong."),
    Cause("wrong_scale", "factor", 6, "A constant factor is wrong."),
    Cause("upstream_ignored", "upstream", 2,
          "By the chain rule every gradient is the local derivative times the upstream gradient, "
          "and so linear in it."),
    Cause("missing_batch_sum", "sum", 5,
          "What is used by every row of the batch gets the sum of the gradients of all rows."),
    Cause("wrong_axis", "sum", 4,
          "A sum or an index runs along another axis than in the forward."),
    Cause("transpose", "arrangement", 3, "The values are right but lie transposed."),
    Cause("swapped_outputs", "arrangement", 2,
          "The gradients are exchanged: return them in the order of forward's inputs."),
    Cause("shape", "arrangement", 6, "A gradient has the shape of what it is the gradient of."),
    Cause("inplace_dout", "memory", 0,
          "The array belongs to the caller, who may use it again (a skip connection does): make "
          "a new one."),
    Cause("inplace_input", "memory", 0, "The array belongs to the caller: make a new one."),
    Cause("aliasing", "memory", 2,
          "Two things that should be apart share memory: return a new array."),
    Cause("stale_state", "state", 3, "backward uses something left over from an earlier call."),
    Cause("accumulates", "state", 1, "backward sets gradients; it does not add to the last ones."),
    Cause("missing_param_grad", "state", 2,
          "backward has to set the gradient of every parameter, every time."),
    Cause("nondeterministic", "chance", 1,
          "Draw random numbers in forward alone, and keep them for backward."),
    Cause("broadcasting", "stretch", 3,
          "An input that was stretched by broadcasting gets the sum over the stretched axes."),
    Cause("layout", "stretch", 5,
          "Equal values in another memory layout have to give the same answer."),
    Cause("boundary", "stretch", 8,
          "Look at the edges: zeros, ties, padding, the rest that a stride leaves, the last "
          "element."),
    Cause("dtype", "precision", 1,
          "Keep real numbers in the precision they came in, and integers out."),
    Cause("numeric_instability", "precision", 5,
          "Rewrite the expression so that no intermediate overflows, cancels or divides by zero."),
    Cause("forward_bug", "forward", 0, "The forward itself is not what it should be."),
)  # fmt: skip

CAUSES = {cause.name: cause for cause in _TABLE}
FAMILIES = tuple(
    tuple(c.name for c in _TABLE if c.family == f) for f in dict.fromkeys(c.family for c in _TABLE)
)


def family(cause: str | None) -> tuple[str, ...]:
    """The causes that count as the same mistake."""
    return next((f for f in FAMILIES if cause in f), ())
