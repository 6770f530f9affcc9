"""One start of a run: alone in its folder, requeued if SLURM asks, and with the reason left behind if it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vlit.common.errors import InputError, reason, storage_error
from vlit.runs.folder import RunFolder
from vlit.runs.owner import owned, slurm_job
from vlit.runs.preemption import requeued


@contextmanager
def attempt(folder: RunFolder) -> Iterator[bool]:
    """Work on a run; yield whether this is a requeued job that goes on with its own earlier start.

    Whatever raises leaves `failure.json`; what only ends (Ctrl-C, SLURM's signals) does not.

    Raises:
        InputError: if another process works on the run, or its folder cannot be written to.
    """
    with requeued(), owned(folder.path) as left:
        try:
            yield left is not None and left.job is not None and left.job == slurm_job()
        except Exception as error:
            if isinstance(error, OSError):
                error = storage_error(error, folder.path) or error
            with suppress(InputError):  # a disk that is full has no room for the reason either
                folder.record_failure(reason(error))
            raise error
