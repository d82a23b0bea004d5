"""How many iterations the host asks of a compiled program at a time."""

import dataclasses
import math

#: What a chunk of iterations should take: much more than the host does after it, and not too long
#: for who waits for progress, or for a run to stop.
CHUNK_SECONDS = 1.0


@dataclasses.dataclass
class Pace:
    """The length of chunks, found from how long those before took."""

    iterations: int = 1  # wanted of the next chunk; the first progress is to come soon

    def of(self, left: int) -> int:
        """Return the next chunk's iterations, of those left to a log point: equal parts of them."""
        return math.ceil(left / math.ceil(left / self.iterations))

    def took(self, iterations: int, seconds: float) -> None:
        """Take in what a chunk took; the next is at most twice as long as was wanted before."""
        most = 2 * self.iterations
        fitting = CHUNK_SECONDS * iterations / max(seconds, 1e-9)
        self.iterations = int(min(max(fitting, 1), most))
