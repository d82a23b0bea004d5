"""An expert that is given: a trained policy that sees the state, and that others learn from."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.agent import Networks
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Inputs, Params


@struct.dataclass
class Teacher:
    """A policy without memory that sees the privileged state; `Policy.teacher` makes one.

    A pytree of its parameters, so that these may be arguments of a compiled function.
    """

    params: Params
    networks: Networks = struct.field(pytree_node=False)
    observes_state: bool = struct.field(pytree_node=False)
    """Whether the state is what it observes, as it was trained with `--observe state`."""
    scores: Literal["values", "log-probabilities"] = struct.field(pytree_node=False)
    """What its networks say of actions; by values it takes the best one."""
    spaces: Spaces | None = struct.field(pytree_node=False, default=None)
    """That it was trained on; None: nobody compares them."""

    def check(self, here: Spaces) -> None:
        """Compare what it was trained on with what it is to teach on.

        Raises:
          ValueError: when states or actions differ.
        """
        if self.spaces is not None and (problem := self.spaces.misfit(here)):
            raise ValueError(f"the teacher does not fit the environment: {problem}")

    def log_probs(self, params: Params, inputs: Inputs) -> Array:
        """Return log π(.|s), float [..., A], of slots with leaves [...]; the state must be there.

        Of a policy that takes the best action, minus infinity elsewhere.
        """
        seen = inputs
        if self.observes_state:
            seen = dataclasses.replace(inputs, observation=inputs.state)
        who, memory = self.networks.actor(params), self.networks.memory(*inputs.start.shape)
        _, _, scores = self.networks.act(who, memory, seen, jax.random.key(0))  # drawn for nobody
        if self.scores == "values":
            best = jax.nn.one_hot(scores.argmax(-1), scores.shape[-1])
            return jnp.log(best)
        return scores
