"""Checkpoints of a run: the whole state of all seeds and the metrics so far, with orbax."""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import orbax.checkpoint as ocp

from adqn_jax.types import TrainState


class Checkpoints:
    """The two newest checkpoints of a run, in one folder.

    A checkpoint is written in the background and appears whole or not at all.
    """

    def __init__(self, folder: pathlib.Path):
        """Open the folder; it is created when the first checkpoint is written."""
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    @property
    def latest(self) -> int | None:
        """Log points finished at the newest checkpoint; None when there is none."""
        return self._manager.latest_step()

    def save(self, log_points: int, states: TrainState, history: dict[str, Any]) -> None:
        """Save the states after so many log points, and `history`, which JSON can hold."""
        if log_points == self.latest:
            return
        self._manager.save(
            log_points,
            args=ocp.args.Composite(
                states=ocp.args.StandardSave(_keys_to_data(states)),
                history=ocp.args.JsonSave({"json": json.dumps(history)}),
            ),
        )

    def restore(self, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Load the newest checkpoint.

        Args:
          like: shapes, dtypes and shardings of the states.

        Returns:
          The states and the history.
        """
        abstract = _keys_to_data_abstract(like)
        restored = self._manager.restore(
            self.latest,
            args=ocp.args.Composite(
                states=ocp.args.StandardRestore(abstract), history=ocp.args.JsonRestore()
            ),
        )
        states = restored["states"]
        states = dataclasses.replace(states, key=jax.random.wrap_key_data(states.key))
        return states, json.loads(restored["history"]["json"])

    def close(self) -> None:
        """Wait until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def _keys_to_data(states: TrainState) -> TrainState:
    """Replace the typed key by its bits, which any checkpoint can hold."""
    return dataclasses.replace(states, key=jax.random.key_data(states.key))


def _keys_to_data_abstract(like: TrainState) -> TrainState:
    def with_sharding(shape: Any, x: Any) -> Any:
        return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=x.sharding)

    return jax.tree.map(with_sharding, jax.eval_shape(_keys_to_data, like), like)
