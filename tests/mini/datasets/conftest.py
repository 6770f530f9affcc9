"""The hand-annotated world of the construction tests, and a small drawn one whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.construct.conftest import world  # noqa: F401  (a fixture)
from vlit.mini.world.build import WorldSpec, build_world


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_world(WorldSpec(scenes=60, benchmark_groups=1), tmp_path_factory.mktemp("truth") / "world")
