"""Files that cannot be written at once: no reason to stop training."""

from collections.abc import Callable

from adqn_jax.runs import progress
from adqn_jax.runs.ending import CANNOT_WRITE, StopError, reason


class Attempts:
    """Attempts to write files: what fails is told, once, and tried again, as long as a run goes on.

    At its end `check` tells.
    """

    def __init__(self) -> None:
        """Nothing has failed so far."""
        self._failed: dict[str, str] = {}
        self._ending = False

    def attempt(self, what: str, write: Callable[[], None]) -> bool:
        """Write something, and say whether it could be written."""
        try:
            write()
        except OSError as error:
            if what not in self._failed and not self._ending:
                progress.say(f"cannot write {what} ({reason(error)}): will try again")
            self._failed[what] = reason(error)
            return False
        self._failed.pop(what, None)
        return True

    def end(self) -> None:
        """Promise no more that anything is tried again: what fails from now on, `check` tells."""
        self._ending = True

    def check(self) -> None:
        """Complain of what is not written yet.

        Raises:
          StopError: naming it.
        """
        if self._failed:
            named = "; ".join(f"{what} ({why})" for what, why in self._failed.items())
            raise StopError(
                CANNOT_WRITE,
                f"could not write {named}: when that is mended, --resume goes on from the last "
                f"checkpoint",
            )
