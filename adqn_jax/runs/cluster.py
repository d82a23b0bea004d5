"""The processes of a run that was started as several, on one machine or on many.

Seeds never talk. What their processes tell each other, metrics and how far to go on, are short
messages in the key-value store of JAX's coordination service, which process 0 keeps: hosts need no
other connection. All processes ask the same questions in the same order. A process on its own has
nobody to ask, and answers itself.
"""

import collections
import concurrent.futures
import contextlib
import itertools
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax._src import distributed  # `jax.distributed` has no public way to the store

from adqn_jax.runs.ending import LOST, StopError

#: Seconds without a sign of life after which a process counts as gone.
LOST_SECONDS = 30.0
_BEAT_SECONDS = 2.0
_WAIT_MILLISECONDS = 2_000  # after which a waiting process lets Python see signals
_ENDED = "ended"

#: Rounds of messages so far, of what is asked in the main thread and of what is asked beside it.
_rounds = collections.Counter({"run": 0, "checkpoint": 0})
_last_words = threading.Lock()


def count() -> int:
    """Return how many processes there are."""
    return distributed.global_state.num_processes


def index() -> int:
    """Return which of them this is."""
    return distributed.global_state.process_id


def is_first() -> bool:
    """Whether this process is the one that writes what there is once: folder, metrics, curve."""
    return index() == 0


def by(what: str, process: int) -> str:
    """Say what was done by a process, where there are several."""
    return what if count() == 1 else f"{what} by process {process}"


def gather(message: Any, channel: str = "run") -> list[Any]:
    """Tell all processes something that JSON can hold, and return what each has said, in order.

    Raises:
      StopError: when one of them has ended the run instead.
    """
    if count() == 1:
        return [message]
    number = _rounds[channel]
    said = []
    _say(channel, number, message)
    for i in range(count()):
        said.append(_hear(channel, number, i))
        _stop_if_left(said[-1])
    _rounds[channel] += 1
    if number:  # nobody reads the round before any more: all have answered this one
        _client().key_value_delete(_key(channel, number - 1, index()))
    return said


def from_first(find: Callable[[], Any], channel: str = "run") -> Any:
    """Let process 0 find something out, and tell all; JSON must be able to hold it."""
    return gather(find() if is_first() else None, channel)[0]


def join(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put together what each process has measured of its share of the seeds, [seeds]."""
    if count() == 1:
        return found
    parts = gather({name: value.tolist() for name, value in found.items()})
    return {name: np.array([x for part in parts for x in part[name]]) for name in found}


def wait(pending: concurrent.futures.Future[Any]) -> None:
    """Wait for what runs in another thread, which may itself wait for other processes.

    Raises:
      StopError: when one of them has ended the run instead.
    """
    if count() == 1:
        return
    while not pending.done():
        concurrent.futures.wait([pending], _WAIT_MILLISECONDS / 1000)
        # Where a process has left, it has said so in the round that comes next here.
        coming = _key("run", _rounds["run"], 0).removesuffix("0")
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # `_watch` looks who is gone
            for _, message in _client().key_value_dir_get(coming):
                _stop_if_left(json.loads(message))


@contextlib.contextmanager
def membership() -> Iterator[None]:
    """Be one of the processes of a run: watch the others, and let them know when one must end.

    Process 0 speaks for all. One that cannot go on tells the others why, who end as it does; one
    that vanishes is missed after `LOST_SECONDS`.
    """
    if count() == 1:
        yield
        return
    threading.Thread(target=_watch, daemon=True).start()
    with contextlib.ExitStack() as quiet:
        if not is_first():
            null = quiet.enter_context(open(os.devnull, "w"))  # noqa: PTH123
            quiet.enter_context(contextlib.redirect_stdout(null))
        try:
            yield
        except BaseException as error:
            _leave(error)
    _say_ended()


def lose(process: int) -> None:
    """End this process at once, with a sentence, as another is gone."""
    _last_words.acquire()  # for good: whoever comes second waits for the end
    sentence = (
        f"process {process} of {count()} is gone, and with it the run: the same command with "
        f"--resume goes on from the last checkpoint, with as many processes as there are then\n"
    )
    with contextlib.suppress(OSError):  # nobody may be there to read it
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        os.write(2, sentence.encode())
    os._exit(LOST)


def _leave(error: BaseException) -> None:
    """End this process, and with it the others."""
    stop = error.__context__ if isinstance(error, SystemExit) else error
    code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
    if not isinstance(error, SystemExit):
        traceback.print_exc()
    why = str(stop) if isinstance(stop, StopError) else f"process {index()} ended: {stop}"
    for channel, number in _rounds.items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # it had said something else
            _say(channel, number, {"left": [code, why]})
    _say_ended()
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(jax.errors.JaxRuntimeError):
        jax.distributed.shutdown()  # waits for the others
    os._exit(code)  # a thread may still wait for others, in the midst of a checkpoint


def _stop_if_left(message: Any) -> None:
    if isinstance(message, dict) and "left" in message:
        raise StopError(*message["left"])


def _client() -> Any:
    return distributed.global_state.client


def _key(channel: str, number: int, process: int) -> str:
    return f"adqn_jax/{channel}/{number}/{process}"


def _say(channel: str, number: int, message: Any) -> None:
    _client().key_value_set(_key(channel, number, index()), json.dumps(message))


def _hear(channel: str, number: int, process: int) -> Any:
    key = _key(channel, number, process)
    while True:
        try:
            return json.loads(_client().blocking_key_value_get(key, _WAIT_MILLISECONDS))
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                lose(0)


def _say_ended() -> None:
    """Let nobody miss this process."""
    with contextlib.suppress(jax.errors.JaxRuntimeError):
        _client().key_value_set(_alive(index()), _ENDED, allow_overwrite=True)


def _alive(process: int) -> str:
    return f"adqn_jax/alive/{process}"


def _watch() -> None:
    """Give signs of life, and look for those of the others."""
    heard = dict.fromkeys(range(count()), ("", 0.0))  # who still begins may take its time
    own = _alive(index())
    for beat in itertools.count():
        try:
            signs = dict(_client().key_value_dir_get("adqn_jax/alive/"))
            if signs.get(own) == _ENDED:
                return
            _client().key_value_set(own, str(beat), allow_overwrite=True)
        except (jax.errors.JaxRuntimeError, AttributeError):  # the latter: this process ends
            if _client() is not None:
                lose(0)
            return
        now = time.monotonic()
        for i, (sign, since) in heard.items():
            new = signs.get(_alive(i), "")
            if new not in (sign, ""):
                heard[i] = (new, now)
            elif sign and now - since > LOST_SECONDS and new != _ENDED:
                lose(i)
        time.sleep(_BEAT_SECONDS)
