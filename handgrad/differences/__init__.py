"""Numerical differentiation that knows its own error."""
