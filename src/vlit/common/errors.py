"""Bad input as one exception, and any exception as one line: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
from pathlib import Path

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line that names what is wrong, where, and how to mend it. Entry points
    (`vlit.common.entry`) print it and exit with status 1; a traceback would say less.
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


def one_line(error: BaseException) -> str | None:
    """What is wrong with the input, or None if the error is ours."""
    if isinstance(error, InstantiationException):  # wraps what the instantiated object raised
        return str(error.__cause__) if isinstance(error.__cause__, InputError) else None
    if isinstance(error, InputError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    told, hint, _ = str(error).partition("To append to your config use")
    mend = " No command reads such a key: check its spelling." if hint else ""  # Hydra proposes to add it all the same
    return " ".join(told.split()) + mend


def reason(error: BaseException) -> str:
    """The same for every error: of ours, its kind and the first line of what it says."""
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return reason(error.__cause__)
    first = next(iter(str(error).splitlines()), "")
    return one_line(error) or f"{type(error).__name__}: {first}".removesuffix(": ")
