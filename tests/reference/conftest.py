"""Import order for the tests of this folder."""

import vlit.common.torchvision_shim  # noqa: F401  (before transformers looks for torchvision)
