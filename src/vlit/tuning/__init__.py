"""Tuning: the Lightning module, schedules, run folders, resume, and the making of the mini weights."""

import vlit.compat  # noqa: F401  (before anything that imports torchvision)
