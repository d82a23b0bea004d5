"""Simulators side by side, stepped by threads of their own, so that none can stop the run."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import struct

from adqn_jax.types import PyTree

#: How often a wait looks whether what it waits for is still alive, in seconds.
GLANCE = 0.5
#: For how long simulators may close, in seconds.
_CLOSING = 10.0


class EnvironmentFailure(Exception):  # noqa: N818  it is the environment's, not ours
    """An environment has raised, hung, or returned what it should not; the message says which."""


@struct.dataclass
class FleetStep:
    """What simulators answered to a step, in NumPy arrays; leaves [E, ...]."""

    env_state: PyTree
    begun: PyTree  # the state that an episode began with; means something where one has begun
    reward: Any  # float32
    terminated: Any  # bool
    truncated: Any  # bool
    success: Any  # bool; means something where it `says`
    says: Any  # bool, whether the simulator says of success


class Fleet:
    """E simulators of an environment, made, stepped and closed by threads.

    At first all episodes are over: `reset` begins them, or the first `step` does. A fleet that has
    failed is of no more use, as some simulators may have gone on and others not: close it.

    Args:
      env: an environment that the host steps (`types.HostEnvironment`).
      env_params: its parameters.
      number: E.
      threads: by which simulators are stepped; more help where these wait, or let Python go on.
      patience: seconds after which a simulator that does not answer has failed.
    """

    def __init__(
        self, env: Any, env_params: Any, number: int, *, threads: int = 1, patience: float = 60.0
    ):
        self._name = getattr(env, "name", type(env).__name__)
        self._patience = patience
        self._simulators: list[Any] = [None] * number
        self._states: list[Any] = [None] * number
        self._final = np.ones(number, bool)
        threads = min(threads, number)
        self._workers = [_Worker(range(i, number, threads)) for i in range(threads)]

        def make(i: int) -> None:
            self._simulators[i] = env.simulator(env_params)

        try:
            self._each(make, "be made")
        except EnvironmentFailure:
            self.close()
            raise

    def reset(self, seeds: np.ndarray) -> PyTree:
        """Begin an episode in each; returns their states, leaves [E, ...]."""

        def reset(i: int) -> None:
            self._states[i] = self._simulators[i].reset(int(seeds[i]))

        self._each(reset, "be reset")
        self._final[:] = False
        return _stack(self._states)

    def step(
        self, action: np.ndarray, seeds: np.ndarray, over: np.ndarray | None = None
    ) -> FleetStep:
        """Act in each, and begin an episode where one must begin.

        As in compiled environments, an episode that has terminated gives way to another at once;
        one that was truncated, a step later: its last observation is shown in a slot of its own.

        Args:
          action: as environments are given them, [E, ...].
          seeds: of the episodes that begin, [E].
          over: which simulators rest, bool [E]; None: none does. What they tell means nothing, and
            in the others, too, no episode begins.
        """
        number = len(self._simulators)
        numbers = np.zeros(number, np.float32)
        terminated, truncated, success, says = np.zeros((4, number), bool)
        begun: list[Any] = list(self._states)

        def step(i: int) -> None:
            simulator = self._simulators[i]
            if over is not None and over[i]:
                return
            if not self._final[i]:
                answer = simulator.step(action[i])
                self._states[i], numbers[i], terminated[i], truncated[i], won = answer
                says[i], success[i] = won is not None, bool(won)
            if over is None and (terminated[i] or self._final[i]):
                begun[i] = simulator.reset(int(seeds[i]))
            else:
                begun[i] = self._states[i]

        self._each(step, "step")
        # Who has yet to begin has reached nothing: any state will do.
        reached = [b if s is None else s for s, b in zip(self._states, begun, strict=True)]
        if over is None:
            self._final = truncated & ~terminated
        self._states = begun
        return FleetStep(
            _stack(reached), _stack(begun), numbers, terminated, truncated, success, says
        )

    def close(self) -> None:
        """Close the simulators, and let the threads end; who does not answer is left behind."""
        for worker in self._workers:
            worker.inbox.put(self._close_one)
            worker.inbox.put(None)
        until = time.monotonic() + min(self._patience, _CLOSING)
        for worker in self._workers:
            worker.join(timeout=max(0.0, until - time.monotonic()))

    def _close_one(self, i: int) -> None:
        if self._simulators[i] is not None:
            with contextlib.suppress(BaseException):  # so that the next ones are closed, too
                self._simulators[i].close()

    def _each(self, task: Callable[[int], None], what: str) -> None:
        """Run a task for each simulator, and wait for all.

        Raises:
          EnvironmentFailure: when one raises, or takes longer than we have patience.
        """
        for worker in self._workers:
            worker.since = time.monotonic()
            worker.inbox.put(task)
        for worker in self._workers:
            error = self._wait(worker)
            if error is not None:
                raise EnvironmentFailure(
                    f"environment {worker.at} of {self._name} cannot {what}: {_told(error)}"
                ) from error

    def _wait(self, worker: "_Worker") -> BaseException | None:
        while True:
            try:
                return worker.outbox.get(timeout=min(GLANCE, self._patience))
            except queue.Empty:
                pass
            if time.monotonic() - worker.since > self._patience:
                raise EnvironmentFailure(
                    f"environment {worker.at} of {self._name} has not answered for "
                    f"{self._patience:g} s"
                )


class _Worker(threading.Thread):
    """Runs a task for each of its simulators; it may be left behind in one that hangs."""

    def __init__(self, mine: range):
        super().__init__(name="simulators", daemon=True)
        self.inbox: queue.SimpleQueue[Callable[[int], None] | None] = queue.SimpleQueue()
        self.outbox: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self.at, self.since = mine[0], time.monotonic()
        self._mine = mine
        self.start()

    def run(self) -> None:
        while (task := self.inbox.get()) is not None:
            error = None
            try:
                for i in self._mine:
                    self.at, self.since = i, time.monotonic()
                    task(i)
            except BaseException as raised:  # SystemExit, too: whoever waits is told
                error = raised
            self.outbox.put(error)


def _stack(states: list[Any]) -> PyTree:
    return jax.tree.map(lambda *of_each: np.stack(of_each), *states)


def _told(error: BaseException) -> str:
    """Say what was raised; what our own checks say is a sentence already."""
    reason = str(error).strip().partition("\n")[0]
    if type(error) is ValueError and reason:
        return reason
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
