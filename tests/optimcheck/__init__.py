"""Optimizers, right and wrong, that `check_optimizer` is scored on."""
