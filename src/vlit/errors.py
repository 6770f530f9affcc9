"""The one exception that means "the input is wrong": what, where, and how to mend it, in one line."""

from __future__ import annotations

import errno
from pathlib import Path

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line that names what is wrong, where, and how to mend it. Entry points (`vlit.entry`) print
    it and exit with status 1; a traceback would say less.
    """


def storage_error(error: OSError, where: Path) -> InputError | None:
    """The line for a disk that is full, read-only, closed to us or gone; None if the error is of another kind.

    Args:
        error: what the system said; it names no file where writing fails in an open one.
        where: the file or folder that was written to.
    """
    if error.errno not in STORAGE:
        return None
    return InputError(
        f"{error.filename or where}: {error.strerror}: free space there or mend it, then give the same command again;"
        " what was finished before is whole"
    )
