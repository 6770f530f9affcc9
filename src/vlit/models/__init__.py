"""Models: the three families, their sizes at both scales, freeze policies, loading."""

import vlit.compat  # noqa: F401  (before anything that imports torchvision)
