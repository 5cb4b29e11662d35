"""Subjects of PyTorch, JAX, CuPy and others, as objects with forward and backward on NumPy."""
