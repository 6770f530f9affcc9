"""The one exception that means "the input is wrong": what, where, and how to mend it, in one line."""

from __future__ import annotations


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line that names what is wrong, where, and how to mend it. Entry points (`vlit.entry`) print
    it and exit with status 1; a traceback would say less.
    """
