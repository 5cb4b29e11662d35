"""Numerical differentiation with its error, and gradients held against it."""
