"""SEED-Bench and files like it: load, score by ranking or generation, accuracies with intervals, controls (5.1.3)."""

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)
