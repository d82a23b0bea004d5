"""How often value-based learning trains on what it has gathered, and whether that can be."""

import math

from adqn_jax.config import check, check_asked
from adqn_jax.plan import Plan, make_plan
from adqn_jax.value.config import Config, TrainConfig

#: How far the replay ratio of a whole number of updates may lie from the one asked for.
RATIO_TOLERANCE = 0.01
_MOST_STEPS_PER_ITERATION = 1_000


def plan_of(config: Config, longest_episode: int) -> Plan:
    """Derive a run's shapes and counts.

    Raises:
      ValueError: when the configuration cannot be run; one sentence says why, and what could.
    """
    check(config)
    _check_choices(config)
    train = config.train
    steps = train.steps_per_iteration or 1
    row_length = train.row_length or longest_episode
    _check_returns(config, steps if train.replay == "none" else row_length)
    if train.replay == "none":
        return make_plan(
            train, longest_episode=longest_episode,
            warmup_steps=math.ceil(train.warmup_timesteps / train.num_envs),
            steps=steps, updates=1, batch_rows=train.num_envs, row_length=steps,
        )  # fmt: skip
    if config.loss.average == "episode" and row_length < longest_episode:
        raise ValueError(
            f"averaging over whole episodes needs rows that hold the longest one: row_length must "
            f"be at least {longest_episode}, got {row_length}"
        )
    steps, updates = _schedule(train, row_length)
    warmup_steps = math.ceil(train.warmup_timesteps / train.num_envs)
    if warmup_steps + steps < row_length + 1:
        raise ValueError(
            f"the first gradient step needs {row_length + 1} timesteps of each of {train.num_envs} "
            f"streams: warmup_timesteps must be at least "
            f"{(row_length + 1 - steps) * train.num_envs}, got {train.warmup_timesteps}"
        )
    return make_plan(
        train, longest_episode=longest_episode, warmup_steps=warmup_steps, steps=steps,
        updates=updates, batch_rows=train.batch_rows, row_length=row_length,
    )  # fmt: skip


def _check_choices(config: Config) -> None:
    """Refuse choices that contradict each other."""
    train, loss = config.train, config.loss
    if train.replay == "none" and train.replay_ratio != 1.0:
        raise ValueError(
            f"without replay every timestep is trained on once: with replay none, replay_ratio "
            f"must be 1, got {train.replay_ratio:g}"
        )
    if train.replay == "none" and loss.average == "episode":
        raise ValueError(
            "averaging over whole episodes needs replay: with replay none, average must be "
            "transition"
        )
    if config.heads.values == "particles" and config.network.output_scale == 0.0:
        raise ValueError(
            "particles that begin as one stay one: with values particles, output_scale must be "
            "greater than 0, got 0"
        )
    check_asked(config.network, recall_weight=loss.recall_weight, belief_weight=loss.belief_weight)
    if train.target == "none" and train.eval_params == "target":
        raise ValueError(
            "without target networks none can be evaluated: with target none, eval_params must be "
            "online"
        )
    if train.target == "none" and loss.bootstrap == "trust-region":
        raise ValueError(
            "a trust region is measured from target networks: with bootstrap trust-region, target "
            "must be periodic or polyak"
        )


def _check_returns(config: Config, transitions: int) -> None:
    """Refuse returns of more rewards than are seen in one go."""
    loss = config.loss
    if loss.returns == "n-step" and loss.n_step > transitions:
        option = "steps_per_iteration" if config.train.replay == "none" else "row_length"
        raise ValueError(
            f"a return of {loss.n_step} rewards needs as many timesteps in a row: n_step must be "
            f"at most {transitions}, or {option} larger"
        )


def _schedule(train: TrainConfig, row_length: int) -> tuple[int, int]:
    """Return steps and updates per iteration that keep the replay ratio."""
    updates_per_step = train.replay_ratio * train.num_envs / (train.batch_rows * row_length)
    candidates = range(1, _MOST_STEPS_PER_ITERATION + 1)
    if train.steps_per_iteration:
        candidates = range(train.steps_per_iteration, train.steps_per_iteration + 1)
    for steps in candidates:
        updates = round(updates_per_step * steps)
        if updates and abs(updates / (updates_per_step * steps) - 1) <= RATIO_TOLERANCE:
            return steps, updates
    asked = (
        f"replay_ratio {train.replay_ratio:g} with {train.num_envs} environments and batches of "
        f"{train.batch_rows} x {row_length} timesteps"
    )
    if not train.steps_per_iteration:
        raise ValueError(
            f"{asked} gives no whole number of gradient steps within {_MOST_STEPS_PER_ITERATION} "
            f"steps; raise replay_ratio or num_envs, or lower batch_rows"
        )
    exact = updates_per_step * train.steps_per_iteration
    whole = max(1, round(exact))
    ratio = whole * train.batch_rows * row_length / (train.num_envs * train.steps_per_iteration)
    raise ValueError(
        f"{asked} gives {exact:.3g} gradient steps per {train.steps_per_iteration} steps, which is "
        f"no whole number; with replay_ratio {ratio:.4g} it is {whole}"
    )
