"""The hand-annotated world of the construction tests."""

from tests.construct.conftest import world  # noqa: F401  (a fixture)
