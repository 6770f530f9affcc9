"""Loads `torchvision_shim` when a program of this environment first imports torchvision.

`make install` writes a line into site-packages that imports this, so that transformers, open_clip and others work there
without us. It costs nothing where torchvision is not imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class BeforeTorchvision(MetaPathFinder):
    """Finds nothing: it is asked before others do, and then declares what torchvision needs."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Load the shim, once, where torchvision is looked for."""
        if fullname == "torchvision" and self in sys.meta_path:
            sys.meta_path.remove(self)
            import vlit.common.torchvision_shim  # noqa: F401
        return None


sys.meta_path.insert(0, BeforeTorchvision())
