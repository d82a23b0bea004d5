"""An environment of Brax's protocol."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class State:
    """What Playground has as a state; Brax says `pipeline_state` for `data`."""

    data: Any
    obs: Any
    reward: Any
    done: Any
    metrics: dict
    info: dict


class Slider:
    """A place [2], moved by actions, shown with noise; the trainer sees the place as well.

    Ends beyond 1. Like Playground's, it takes numbers as keys and writes into the info it is given.
    """

    action_size = 2

    def __init__(self, flat: bool = False, gives_up_after: int | None = None):
        self.flat, self.gives_up_after = flat, gives_up_after

    def reset(self, rng: Any) -> State:
        """Draw a place."""
        key, key_place = jax.random.split(rng)
        info = {"rng": key, "steps": 0}
        if self.gives_up_after:
            info["truncation"] = 0.0
        place = jax.random.uniform(key_place, (2,), minval=-0.5, maxval=0.5)
        return State(place, self.look(place, key_place), 0.0, 0.0, {}, info)

    def step(self, state: State, action: Any) -> State:
        """Move."""
        state.info["rng"], key = jax.random.split(state.info["rng"])
        state.info["steps"] += 1
        place = state.data + 0.2 * action
        done = (abs(place) > 1).any()
        if self.gives_up_after:
            late = state.info["steps"] >= self.gives_up_after
            state.info["truncation"] = (late & ~done).astype(float)
            done |= late
        return state.replace(  # type: ignore[attr-defined]
            data=place, obs=self.look(place, key), reward=-(place**2).sum(),
            done=done.astype(float),
        )  # fmt: skip

    def look(self, place: Any, key: Any) -> Any:
        """Show a place."""
        seen = place + 0.1 * jax.random.normal(key, (2,))
        both = jnp.concatenate([seen, place])
        return both if self.flat else {"state": seen, "privileged_state": both}
