"""Mistakes in subclasses of torch.optim.Optimizer."""

import torch

from .specimen import wrong


class Rule(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, **options):
        super().__init__(params, {"lr": lr, **options})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.one(p, p.grad, self.state[p], group)


@wrong("wrong_sign")
class TorchUp(Rule):
    def one(self, p, g, state, group):
        p.add_(g, alpha=group["lr"])


@wrong("writes_gradient")
class TorchDecaysGradient(Rule):
    def one(self, p, g, state, group):
        g.add_(p, alpha=0.01)
        p.sub_(g, alpha=group["lr"])


@wrong("aliased_gradient")
class TorchBufferIsGradient(Rule):
    def one(self, p, g, state, group):
        if "v" not in state:
            state["v"] = g.detach()
        else:
            state["v"] = 0.9 * state["v"] + g
        p.sub_(state["v"], alpha=group["lr"])


@wrong("stale_lr")
class TorchDefaults(Rule):
    def one(self, p, g, state, group):
        p.sub_(g, alpha=self.defaults["lr"])


@wrong("counter_per_parameter", "lost_state")
class TorchOwnCounter(Rule):
    t = 0

    def one(self, p, g, state, group):
        self.t += 1
        if not state:
            state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
        state["m"].mul_(0.9).add_(g, alpha=0.1)
        state["v"].mul_(0.999).addcmul_(g, g, value=0.001)
        m, v = state["m"] / (1 - 0.9**self.t), state["v"] / (1 - 0.999**self.t)
        p.sub_(group["lr"] * m / (v.sqrt() + 1e-8))


@wrong("lost_state")
class TorchStateBeside(Rule):
    def one(self, p, g, state, group):
        self.__dict__.setdefault("buffers", {})
        v = self.buffers[p] = 0.9 * self.buffers.get(p, torch.zeros_like(p)) + g
        p.sub_(v, alpha=group["lr"])


@wrong("missing_bias_correction")
class TorchAdamUncorrected(Rule):
    def one(self, p, g, state, group):
        if not state:
            state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
        state["m"].lerp_(g, 0.1)
        state["v"].mul_(0.999).addcmul_(g, g, value=0.001)
        p.addcdiv_(state["m"], state["v"].sqrt() + 1e-8, value=-group["lr"])


@wrong("wrong_decay", against="adamw")
class TorchAdamW(Rule):
    def __init__(self, params, lr=0.001, weight_decay=0.01):
        super().__init__(params, lr, weight_decay=weight_decay)

    def one(self, p, g, state, group):
        if not state:
            state.update(m=torch.zeros_like(p), v=torch.zeros_like(p), t=0)
        state["t"] += 1
        g = g + group["weight_decay"] * p
        state["m"].lerp_(g, 0.1)
        state["v"].mul_(0.999).addcmul_(g, g, value=0.001)
        m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
        p.sub_(group["lr"] * m / (v.sqrt() + 1e-8))


@wrong("wrong_formula", against=torch.optim.RMSprop)
class TorchRMSpropInside(Rule):
    def one(self, p, g, state, group):
        v = state["v"] = 0.99 * state.get("v", torch.zeros_like(p)) + 0.01 * g * g
        p.sub_(group["lr"] * g / (v + 1e-8).sqrt())


@wrong("does_not_move")
class TorchRebinds(Rule):
    def one(self, p, g, state, group):
        p = p - group["lr"] * g
