"""Instruction tuning with Lightning: module, data, schedules, callbacks, sharding, the plan of a run (5.1)."""

import vlit.common.torchvision_shim  # noqa: F401  (before anything that imports torchvision)
