"""Annotations as text that a language model understands (paper section 4.2.2)."""

from vlit.construct.describe.templates import Templates

__all__ = ["Templates"]
