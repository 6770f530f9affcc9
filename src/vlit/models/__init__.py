"""The model families at both scales: building, freeze policies, loading and export of checkpoints (5.1.1)."""

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)
