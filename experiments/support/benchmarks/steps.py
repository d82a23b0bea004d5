"""The parts of a value-based iteration that benchmarks time one by one."""

from typing import Any

from adqn_jax import Trainer, TrainState
from adqn_jax.types import Params, PyTree, Rows


def sample_rows(trainer: Trainer, state: TrainState) -> Rows:
    """Draw a batch of rows, with the key of the state."""
    agent: Any = trainer.agent
    rows: Rows = agent.codec.decode(agent.buffer.sample(state.agent.buffer, state.key).slots)
    return rows


def one_update(trainer: Trainer, state: TrainState, rows: Rows) -> tuple[Params, PyTree]:
    """Take one gradient step on rows; returns parameters and the optimiser's state."""
    agent: Any = trainer.agent
    own = state.agent
    hyper = trainer.config.hyper
    update = agent.learner.update(
        hyper, own.params, own.target_params, own.opt_state, rows, state.key
    )
    return update.params, update.opt_state
