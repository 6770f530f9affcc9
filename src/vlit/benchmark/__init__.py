"""SEED-Bench: loading, answer ranking, generation mode, accuracy with intervals, controls."""

import vlit.compat  # noqa: F401  (before anything that imports torchvision)
