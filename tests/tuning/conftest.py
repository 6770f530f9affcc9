"""Imported before the tests of this folder, which import Lightning and so torchvision before anything of ours."""

import vlit.common.torchvision_shim  # noqa: F401
