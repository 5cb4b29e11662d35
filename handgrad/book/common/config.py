"""The switch of the second book between NumPy and CuPy; handgrad's book layers use NumPy."""

GPU = False
