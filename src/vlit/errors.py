"""The one exception that means "the input is wrong": what, where, and how to mend it, in one line."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line that names what is wrong, where, and how to mend it. Entry points print it and exit
    with status 1; a traceback would say less.
    """


def one_line_errors(entry_point: Callable[..., Result]) -> Callable[..., Result]:
    """Make an entry point print an `InputError` as one line on stderr and exit with status 1."""

    @functools.wraps(entry_point)
    def wrapped(*args: object, **kwargs: object) -> Result:
        try:
            return entry_point(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)

    return wrapped
