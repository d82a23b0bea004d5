"""How far acting was behind learning, and what both took."""

import contextlib
import time
from collections.abc import Iterator

from adqn_jax.host.asynchronous import Arrival
from adqn_jax.plan import Plan

#: What a log point has beside a compiled environment's, all since the log point before.
METRICS = ("lag", "lag_max", "acting_seconds", "learning_seconds")


class Meter:
    """Of a seed, since it was read last."""

    def __init__(self, plan: Plan):
        self._updates = plan.updates_per_iteration
        self._clear()

    def _clear(self) -> None:
        self._lags: list[int] = []
        self._acting = self._learning = 0.0

    def acted(self, arrived: Arrival) -> None:
        """Note an iteration's acting."""
        self._lags.append((arrived.iteration - arrived.version) * self._updates)
        self._acting += arrived.seconds

    @contextlib.contextmanager
    def learning(self) -> Iterator[None]:
        """Note how long this block takes."""
        begun = time.perf_counter()
        yield
        self._learning += time.perf_counter() - begun

    def read(self) -> dict[str, float]:
        """Return `METRICS`, and begin anew."""
        lags = self._lags or [0]
        of_lags = sum(lags) / len(lags), max(lags)
        found = (*of_lags, round(self._acting, 3), round(self._learning, 3))
        self._clear()
        return dict(zip(METRICS, found, strict=True))
