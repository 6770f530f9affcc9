"""The making of the shipped mini weights, in stages."""

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)
