"""Typed, frozen parameters, a module a section. No defaults live anywhere else; `params_file` reads the file.

What is in a section is imported from its module. Programs written for 0.1.0 find all of it here too.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if not TYPE_CHECKING:  # for a type checker, and so for our own code, there is one way

    def __getattr__(name: str) -> object:
        """Return a name from the section that defines it, imported only now."""
        for found in iter_modules(__path__) if name[:1].isupper() else ():  # classes and constants, no modules
            section = import_module(f"{__name__}.{found.name}")
            if hasattr(section, name):
                return getattr(section, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
