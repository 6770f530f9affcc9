"""Runs many command lines of one command, each in a process forked from one that has imported everything: quickly.

Reads `{"command", "jobs": [[override, ...], ...]}` from stdin and writes `[[exit status, stderr], ...]` to stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile

LONGEST = 120  # seconds of a job


def run(command: str, arguments: list[str]) -> tuple[int, str]:
    """Run one command line in a forked process; return its exit status and what it wrote to stderr."""
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if not child:
            import signal

            signal.alarm(LONGEST)
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(errors.fileno(), 2)
            sys.argv = [f"{command}.py", *arguments]
            status = 0
            try:
                importlib.import_module(command).main()
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
                if isinstance(stop.code, str):
                    print(stop.code, file=sys.stderr)
            except BaseException:
                import traceback

                traceback.print_exc()
                status = 1
            sys.stderr.flush()
            os._exit(status)
        _, ended = os.waitpid(child, 0)
        errors.seek(0)
        return os.waitstatus_to_exitcode(ended), errors.read().decode(errors="replace")


if __name__ == "__main__":
    given = json.load(sys.stdin)
    importlib.import_module("vlit.tuning.setup")
    importlib.import_module(given["command"])
    print(json.dumps([run(given["command"], arguments) for arguments in given["jobs"]]))
