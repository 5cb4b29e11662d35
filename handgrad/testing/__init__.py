"""handgrad in a test suite: gradient checks as tests, and reports for programs that show tests."""

from handgrad.testing.variants import gradient_check

__all__ = ["gradient_check"]
