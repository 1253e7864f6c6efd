"""A plugin of pytest that imports one module from a changed source: ``pytest -p mutants.planting``.

The environment names the module (``MUTANT_MODULE``) and the file of its source (``MUTANT_SOURCE``). The module is
imported at once, before the hook that checks types in tests would find its real source.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from mutants.importing import MutatedModule

if module := os.environ.get("MUTANT_MODULE"):
    source = Path(os.environ["MUTANT_SOURCE"]).read_text(encoding="utf-8")
    sys.meta_path.insert(0, MutatedModule(module, source))
    importlib.import_module(module)
