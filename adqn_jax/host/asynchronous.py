"""A thread that acts while another learns, by a copy of the parameters that is at most so old."""

import dataclasses
import queue
import threading
from collections.abc import Callable
from typing import Any

from adqn_jax.host.fleet import GLANCE, EnvironmentFailure
from adqn_jax.host.play import ActingStoppedError
from adqn_jax.rollout import Gathered
from adqn_jax.trainer import IterationKeys
from adqn_jax.types import Array, Stream


@dataclasses.dataclass(frozen=True)
class Arrival:
    """What was gathered for an iteration."""

    gathered: Gathered
    keys: IterationKeys
    iteration: int
    version: int  # iterations that had been learnt from by who acted
    seconds: float  # that acting took


class Acting(threading.Thread):
    """Gathers for one iteration after the other.

    It begins each with the newest parameters that there are, and waits for newer ones where these
    would be older than `max_lag` iterations. So it is never more than that ahead. They are chosen
    before anybody can learn from the iteration before, so with a lag of 1 always the same ones are.

    Args:
      act: `(streams, who, key, iteration, version, stop) -> Arrival`.
      streams: to go on from.
      key: of the first iteration.
      who: acts in it.
      iterations: that are gathered for.
      max_lag: at least 1.
    """

    def __init__(
        self, act: Callable[..., Arrival], streams: Stream, key: Array, who: Any, iterations: range,
        max_lag: int,
    ):  # fmt: skip
        super().__init__(name="acting", daemon=True)
        self._act, self._streams, self._key = act, streams, key
        self._iterations, self._max_lag = iterations, max_lag
        self._newest = (who, iterations.start)
        self._refreshed = threading.Condition()
        self._stop_asked = threading.Event()
        self._arrived: queue.SimpleQueue[Arrival | BaseException] = queue.SimpleQueue()
        self.start()

    def refresh(self, who: Any, version: int) -> None:
        """Let somebody newer act from the next iteration on."""
        with self._refreshed:
            self._newest = (who, version)
            self._refreshed.notify()

    def take(self) -> Arrival:
        """Wait for what was gathered for the next iteration.

        Raises:
          EnvironmentFailure: when a simulator has failed, or the thread has died.
        """
        while True:
            try:
                arrived = self._arrived.get(timeout=GLANCE)
            except queue.Empty:
                if self.is_alive() or not self._arrived.empty():
                    continue
                raise EnvironmentFailure("the thread that acts has died") from None
            if isinstance(arrived, EnvironmentFailure):
                raise arrived
            if isinstance(arrived, BaseException):
                raise EnvironmentFailure(
                    f"the thread that acts has died: {type(arrived).__name__}: {arrived}"
                ) from arrived
            return arrived

    def close(self) -> None:
        """Let the thread end, and wait for it, unless a simulator keeps it."""
        self._stop_asked.set()
        with self._refreshed:
            self._refreshed.notify()
        self.join(timeout=10 * GLANCE)

    def run(self) -> None:
        """Act until there is nothing left to gather for."""
        try:
            who, version = self._wait_for(self._iterations.start - self._max_lag)
            for iteration in self._iterations:
                arrival = self._act(
                    self._streams, who, self._key, iteration, version, self._stop_asked
                )
                self._streams, self._key = arrival.gathered.reached, arrival.keys.next
                # Not after the next line: whether somebody newer is there yet would be a race.
                who, version = self._wait_for(iteration + 1 - self._max_lag)
                self._arrived.put(arrival)
        except ActingStoppedError:
            pass
        except BaseException as error:  # whoever waits is told
            self._arrived.put(error)

    def _wait_for(self, version: int) -> tuple[Any, int]:
        """Return who is to act: the newest, once that has learnt from so many iterations."""

        def ready() -> bool:
            return self._newest[1] >= version or self._stop_asked.is_set()

        with self._refreshed:
            self._refreshed.wait_for(ready)
            if self._stop_asked.is_set():
                raise ActingStoppedError
            return self._newest
