"""How a run ends before its time: with a sentence, and an exit code that says why.

    0         done
    1         all seeds have failed: their numbers are not finite; what there is was written
    2         bad input; nothing was changed
    69        another process of the run is gone (EX_UNAVAILABLE); --resume goes on
    70        an environment that the host steps has failed (EX_SOFTWARE); --resume goes on
    74        results could not be written (EX_IOERR)
    75        --timeout reached; --resume goes on (EX_TEMPFAIL)
    129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM; --resume goes on (128 + signal)

A second SIGINT ends the process at once, by the signal itself.
"""

ALL_FAILED = 1
LOST = 69
ENVIRONMENT_FAILED = 70
CANNOT_WRITE = 74
TIMEOUT = 75


class StopError(Exception):
    """Ends a script with a sentence on stderr and an exit code."""

    def __init__(self, code: int, sentence: str):
        """Keep both."""
        super().__init__(sentence)
        self.code = code


def reason(error: OSError) -> str:
    """Say why a file could not be read or written."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why
