"""Bad input as one exception, and any exception as one line: what is wrong, where, and how to mend it."""

from __future__ import annotations

import errno
import logging
import re
from pathlib import Path

from hydra.errors import HydraException, InstantiationException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}

_NO_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory|cannot allocate memory", re.IGNORECASE)
_PLAIN = re.compile(r"(?!(?i:true|false|null|nan|inf|infinity)$)[A-Za-z_/][A-Za-z0-9_./+-]*")  # needs no quotes


class InputError(Exception):
    """Bad input from the user: a missing file, a broken annotation, an impossible setting.

    The message is a single line: what is wrong, where, and how to mend it. Commands (`vlit.common.entry`) print it and
    exit with status 1, without a traceback.
    """


def printable(text: str) -> str:
    """Return a text on one line: what shows nothing or breaks a line is written as an escape, as Python does."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def storage_error(error: OSError, where: Path) -> InputError | None:
    """Return the line for a disk that is full, read-only, closed to us or gone, or a folder in a file's place.

    None for errors of another kind.

    Args:
        error: the system's error; it names no file where writing fails in an open one.
        where: the file or folder that was written to.
    """
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return InputError(f"{error.filename2 or error.filename or where}: {error.strerror}: move it away")
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
    line = _line(error)
    return None if line is None else printable(line)


def _line(error: BaseException) -> str | None:
    if isinstance(error, InstantiationException):
        cause = error.__cause__
        known = isinstance(cause, InputError | OSError | MemoryError | RuntimeError)
        return (_line(cause) if cause is not None and known else None) or _uninstantiated(error)
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ValueError) and str(error).startswith("Config group override must be"):
        return "null is no choice of a group: leave the override out, or choose one that --help lists"
    if not isinstance(error, HydraException | OmegaConfBaseException):
        return _of_the_machine(error)
    if isinstance(error, OverrideParseException):
        return _unquoted(error.override)
    message, hint, _ = str(error).partition("To append to your config use")
    mend = " No command reads such a key: check its spelling." if hint else ""  # Hydra proposes to add it all the same
    return " ".join(message.split()) + mend


def _of_the_machine(error: BaseException) -> str | None:
    """Return the line for a disk or a memory that has no more; None for what is none of these."""
    if isinstance(error, OSError):
        found = storage_error(error, Path(error.filename or "a file"))
        return None if found is None else str(found)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return "there is not enough memory: end other programs, lower batch_size, or take a larger machine"
    return None


def _uninstantiated(error: InstantiationException) -> str | None:
    """Return the line for a `_target_` that is not there or has other arguments; None for what its own code raises."""
    message = str(error).partition("set env var")[0].strip(" ,\n")
    where = str(error).rpartition("full_key: ")[2].strip()
    if message.startswith("Expected a callable target"):
        return f"{where}._target_: it names no class or function: check its spelling"
    if message.startswith("Error locating target"):
        return f"{where}._target_: there is no {message.removeprefix('Error locating target ')}: check its spelling"
    cause, frames = error.__cause__, []
    trace = cause.__traceback__ if isinstance(cause, TypeError) else None
    while trace is not None:
        frames.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    if frames and all(name.startswith("hydra.") for name in frames):  # refused before any of its code ran
        return f"{where}: {cause}: check the names of its settings"
    return None


def _unquoted(override: str) -> str:
    """Return the line for an override that Hydra does not parse: most often a path with brackets or spaces."""
    key, equals, value = override.partition("=")
    if not equals or not key.strip("+~ "):
        return f"{override!r} is no override: write key=value"
    again = assigned(key, value.strip("'\""))
    return f'{override}: the value has characters of Hydra\'s grammar: quote it, "{again}"'


def assigned(key: str, value: object) -> str:
    """Return an override, its value quoted where Hydra's grammar would take it for something else.

    What begins like a list, a mapping or a quoted text is taken for one.
    """
    text = "null" if value is None else str(value)
    if not isinstance(value, str) or text.startswith(("[", "{", "'", '"')) or _PLAIN.fullmatch(text):
        return f"{key}={text}"
    # In a quoted value of Hydra's a backslash stands for itself, except before a quote.
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + (found[2] and "\\'"), text)
    return f"{key}='{escaped}'"


def reason(error: BaseException) -> str:
    """Return a line for every error: `one_line`, or for a bug its class and the first line of its message."""
    if isinstance(error, InstantiationException) and error.__cause__ is not None:
        return reason(error.__cause__)
    first = next(iter(str(error).splitlines()), "")
    return one_line(error) or printable(f"{type(error).__name__}: {first}".removesuffix(": "))


class PrintableFormatter(logging.Formatter):
    """Formats a record of the log on one line: a name in somebody's file must not forge a line or steer a terminal.

    A traceback keeps its lines.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the message with its control characters as escapes."""
        return "\n".join(map(printable, super().formatMessage(record).split("\n")))
