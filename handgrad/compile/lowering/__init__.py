"""Lowerings: how each layer becomes rows of a program, forward with backward below it.

Every file of this folder enters its own when it is imported.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
