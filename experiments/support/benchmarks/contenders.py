"""One contender of `benchmark.py peers`, trained in this process: ours, or a peer's."""

import dataclasses
import functools
import json
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from adqn_jax import SeedRunner, envs, families, make_trainer
from adqn_jax.episode import play
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction
from adqn_jax.types import Array, Inputs, PyTree
from support import cli, presets
from support.benchmarks import purejaxql, purejaxrl
from support.benchmarks.checkouts import OlderEnvironment, Pieces
from support.benchmarks.timing import no_cache
from support.benchmarks.train import peak_bytes

#: The mean greedy return over seeds that a contender is to reach, and each seed's, too.
TARGET = 0.9
PEERS: dict[str, Any] = {"purejaxrl": purejaxrl, "purejaxql": purejaxql}
_LIKE = "adqn-vr"  # whose preset says how often, and over how many episodes, all are evaluated


@dataclasses.dataclass(frozen=True)
class Task:
    """What is trained."""

    contender: str
    """An algorithm of ours, or a peer: purejaxrl, purejaxql."""
    env: str
    """Environment, as `run.py --env` takes it."""
    checkout: pathlib.Path | None = None
    """Of the peer."""
    seeds: int = 4
    """Seeds, trained side by side."""
    root: int = 0
    """What all seeds are derived from."""
    seconds: float = 300.0
    """How long it may train."""
    change: tuple[str, ...] = ()
    """Settings of the peer to change, as NAME=VALUE."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.seeds < 1 or not self.seconds > 0:
            raise ValueError("seeds must be at least 1, and seconds more than 0")
        cli.check_seed(self.root, "root")
        if self.contender in PEERS:
            if self.checkout is None:
                raise ValueError(f"{self.contender} needs --checkout, a checkout of it")
            return
        families.family_of(self.contender)
        if self.checkout is not None or self.change:
            raise ValueError(f"{self.contender} is ours: --checkout and --change are of a peer")


class Contender(Protocol):
    """What trains, from a log point to the next."""

    settings: dict[str, Any]
    pays_evaluation: bool
    """Whether evaluations count as training, as they do in a run of ours."""
    log_points: int

    def compile(self) -> None:
        """Compile all that is called."""

    def init(self) -> PyTree:
        """Begin all seeds."""

    def advance(self, states: PyTree) -> PyTree:
        """Train to the next log point; `states` are donated."""

    def evaluate(self, states: PyTree) -> np.ndarray:
        """Return the mean greedy return of each seed, [S]."""

    def timesteps(self, log_point: int) -> int:
        """Timesteps of each seed after so many log points."""


def train(task: Task) -> Iterator[dict[str, Any]]:
    """Train until all that is asked of a contender is reached, or its time is up.

    The clock starts with the keys. Compiling is timed apart, and without a cache.

    Yields:
      What it trains, and how long it took to compile; then each log point, as it is reached.
    """
    contender = make(task)
    with no_cache():
        begin = time.perf_counter()
        contender.compile()
        compiling = time.perf_counter() - begin
    yield {"settings": contender.settings, "compile_seconds": round(compiling, 2)}
    begin = time.perf_counter()
    states = jax.block_until_ready(contender.init())
    training, evaluating, reached = time.perf_counter() - begin, 0.0, np.zeros(task.seeds, bool)
    solved = False
    for log_point in range(1, contender.log_points + 1):
        begin = time.perf_counter()
        states = jax.block_until_ready(contender.advance(states))
        trained = time.perf_counter()
        returns = contender.evaluate(states)
        training += trained - begin
        evaluating += time.perf_counter() - trained
        seconds = training + evaluating * contender.pays_evaluation
        yield {
            "timesteps": contender.timesteps(log_point),
            "seconds": round(seconds, 3),
            "training_seconds": round(training, 3),
            "evaluation_seconds": round(evaluating, 3),
            "returns": [round(float(x), 4) for x in returns],
            "peak_bytes": peak_bytes(),
        }
        reached |= returns >= TARGET
        solved |= bool(returns.mean() >= TARGET)
        if (solved and reached.all()) or seconds > task.seconds:
            return


def make(task: Task) -> Contender:
    """Make a contender.

    Raises:
      ValueError: when there is no such algorithm, checkout or environment, or these do not fit.
    """
    env, env_params = envs.make(task.env)
    if task.contender in PEERS:
        return Theirs(task, env, env_params)
    return Ours(task, env, env_params)


def settings(task: Task) -> dict[str, Any]:
    """Return the settings of a peer: as published, tuned here, and changed as was asked.

    Raises:
      ValueError: when it has no such setting.
    """
    adapter = PEERS[task.contender]
    tuned = changed(adapter.PUBLISHED, adapter.TUNED)
    return changed(tuned, dict(map(_read, task.change)))


class Ours:
    """Our preset `fast`, as run.py trains it."""

    pays_evaluation = True

    def __init__(self, task: Task, env: Any, env_params: Any):
        config = presets.preset("fast", task.env, task.contender)
        self._runner = SeedRunner(make_trainer(config, env, env_params), task.seeds, config.hyper)
        self._plan = self._runner.trainer.plan
        self._root = task.root
        self.settings = {"preset": "fast"}
        self.log_points = self._plan.log_points

    def compile(self) -> None:
        """Compile all that is called."""
        self._runner.compile()

    def init(self) -> PyTree:
        """Begin all seeds, with what they gather before they learn."""
        return self._runner.init(jax.random.key(self._root))

    def advance(self, states: PyTree) -> PyTree:
        """Train to the next log point."""
        return self._runner.iterate(states, self._plan.iterations_per_log)

    def evaluate(self, states: PyTree) -> np.ndarray:
        """Return the mean greedy return of each seed, [S]."""
        return self._runner.evaluate(states)["eval_return"]

    def timesteps(self, log_point: int) -> int:
        """Timesteps of each seed, with those gathered before it learnt."""
        return int(self._plan.timesteps(log_point * self._plan.iterations_per_log))


class Theirs:
    """A peer, mapped over seeds by `jax.vmap`, as it is published."""

    pays_evaluation = False

    def __init__(self, task: Task, env: Any, env_params: Any):
        self._adapter = PEERS[task.contender]
        self.settings = settings(task)
        like = presets.preset("fast", task.env, _LIKE).train
        per_update = self.settings["NUM_ENVS"] * self.settings["NUM_STEPS"]
        self._updates = max(1, round(like.log_every / per_update))
        self._timesteps = self._updates * per_update
        self.log_points = math.ceil(self.settings["TOTAL_TIMESTEPS"] / self._timesteps)
        whole = self.settings | {"TOTAL_TIMESTEPS": self.log_points * self._timesteps}
        module = self._adapter.load(task.checkout)
        self._pieces = Pieces(
            module, lambda: self._adapter.make_train(module, env, env_params, whole)
        )
        self._interaction = Interaction(SlotCodec(env, env_params))
        self._see = OlderEnvironment(env, env_params).seen
        self._episodes = like.eval_episodes
        self._keys = jax.random.split(jax.random.PRNGKey(task.root), task.seeds)
        self._log_point = 0

    def compile(self) -> None:
        """Compile all that is called."""

        def over_seeds(f: Callable[..., Any], *shapes: Any, donate: Sequence[int] = ()) -> Any:
            return jax.jit(jax.vmap(f), donate_argnums=donate).lower(*shapes).compile()

        keys = jax.eval_shape(lambda: self._keys)
        states = jax.eval_shape(jax.vmap(self._pieces.init), keys)
        self._init = over_seeds(self._pieces.init, keys)
        self._advance = over_seeds(
            lambda leaves: self._pieces.advance(leaves, self._updates), states, donate=(0,)
        )
        self._evaluate = over_seeds(self._mean_return, states, keys)

    def init(self) -> PyTree:
        """Begin all seeds."""
        return self._init(self._keys)

    def advance(self, states: PyTree) -> PyTree:
        """Train to the next log point."""
        self._log_point += 1
        return self._advance(states)

    def evaluate(self, states: PyTree) -> np.ndarray:
        """Return the mean return of each seed, [S]."""
        folded = jax.vmap(jax.random.fold_in, (0, None))(self._keys, self._log_point)
        return np.asarray(self._evaluate(states, folded))

    def timesteps(self, log_point: int) -> int:
        """Timesteps of each seed."""
        return log_point * self._timesteps

    def _mean_return(self, leaves: list[Array], key: Array) -> Array:
        """Play episodes, by the code that plays ours; `key` is consumed.

        Who has probabilities plays as many again by actions drawn from them, and the better counts.
        """
        state, returns = self._pieces.state(leaves), []
        for way in self._adapter.WAYS:
            policy: Any = Player(functools.partial(way, state), self._see, self._memory_size(state))
            played = play(key, self._interaction, policy, None, self._episodes)
            returns.append((played.rows.reward * played.first).sum(0).mean())
        return jnp.stack(returns).max()

    def _memory_size(self, state: PyTree) -> int:
        return int(self._adapter.memory(state).shape[-1])


@dataclasses.dataclass(frozen=True)
class Player:
    """A peer's policy, as `episode.play` takes one."""

    choose: Callable[..., tuple[Array, Array]]
    """A way of its adapter to act, of memory, what is seen, start, action before, and a key."""
    see: Callable[[Array], Array]
    """What its network is shown of an observation."""
    memory_size: int
    """Units of its GRU, H."""

    def memory(self, *lead: int) -> Array:
        """Return the empty memory of its GRU, [*lead, H]."""
        return jnp.zeros((*lead, self.memory_size))

    def act(
        self, who: None, memory: Array, inputs: Inputs, key: Array
    ) -> tuple[Array, Array, None]:
        """Choose actions; `key` is consumed."""
        seen = jax.vmap(self.see)(inputs.observation)
        action, memory = self.choose(memory, seen, inputs.start, inputs.action_tm1, key)
        return action, memory, None


def changed(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return settings, some of them changed.

    Raises:
      ValueError: when there is no such setting.
    """
    if stray := changes.keys() - settings.keys():
        raise ValueError(f"no setting {', '.join(sorted(stray))}; known are {', '.join(settings)}")
    return settings | changes


def _read(word: str) -> tuple[str, Any]:
    name, _, value = word.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"--change takes NAME=VALUE, got {word!r}") from error
