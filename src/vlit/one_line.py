"""What went wrong, in one line, out of whatever was raised."""

from __future__ import annotations

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from vlit.errors import InputError


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
