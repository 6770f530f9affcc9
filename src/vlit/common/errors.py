"""Bad input as one exception, and any exception as one line: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
from pathlib import Path

from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line: what is wrong, where, and how to mend it. Commands (`vlit.common.entry`) print it and
    exit with status 1, without a traceback.
    """


def storage_error(error: OSError, where: Path) -> InputError | None:
    """Return the line for a disk that is full, read-only, closed to us or gone; None for errors of another kind.

    Args:
        error: the system's error; it names no file where writing fails in an open one.
        where: the file or folder that was written to.
    """
    if error.errno not in STORAGE:
        return None
    return InputError(
        f"{error.filename or where}: {error.strerror}: free space there or mend it, then give the same command again;"
        " what was finished before is whole"
    )


def one_line(error: BaseException) -> str | None:
    """Return the line for an error in the user's input or configuration; None if the error is a bug of ours.

    Hydra wraps what an instantiated object raises; the line is that of the `InputError` inside.
    """
    if isinstance(error, InstantiationException):
        return str(error.__cause__) if isinstance(error.__cause__, InputError) else None
    if isinstance(error, InputError):
        return str(error)
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return None
    if isinstance(error, OverrideParseException):
        return _unquoted(error.override)
    message, hint, _ = str(error).partition("To append to your config use")
    mend = " No command reads such a key: check its spelling." if hint else ""  # Hydra proposes to add it all the same
    return " ".join(message.split()) + mend


def _unquoted(override: str) -> str:
    """Return the line for an override that Hydra does not parse: most often a path with brackets or spaces."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip("+~ "):
        return f"{override!r} is no override: write key=value"
    escaped = value.strip("'\"").replace("\\", "\\\\").replace("'", "\\'")
    return f"{override}: the value has characters of Hydra's grammar: quote it, \"{key}='{escaped}'\""


def reason(error: BaseException) -> str:
    """Return a line for every error: `one_line`, or for a bug its class and the first line of its message."""
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return reason(error.__cause__)
    first = next(iter(str(error).splitlines()), "")
    return one_line(error) or f"{type(error).__name__}: {first}".removesuffix(": ")
