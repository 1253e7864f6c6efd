"""Importing one module from a changed source."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
from types import ModuleType

__all__ = ["MutatedModule"]


class MutatedModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the module, and runs the given source for it."""

    def __init__(self, module: str, source: str) -> None:
        self.module, self.source = module, source

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """The module is loaded by this object; others are not found here."""
        if name != self.module:
            return None
        return importlib.util.spec_from_loader(name, self, origin="mutant")

    def exec_module(self, module: ModuleType) -> None:
        """Run the source."""
        exec(compile(self.source, f"<mutant of {self.module}>", "exec"), module.__dict__)
