"""Pedestrian as a finite POMDP, for exact values."""

import jax
import jax.numpy as jnp
import numpy as np

from .pedestrian import KERB, MAX_SPEED, NEAR, OTHER_SIDE, ROAD, Pedestrian, PedestrianState
from .pomdp import POMDP

#: How many values there are of a state's kind, place across the road, position and speed.
_SHAPE = (len(NEAR) + 1, KERB - OTHER_SIDE + 1, ROAD + 1, MAX_SPEED + 1)


def pedestrian(discount: float = 0.995) -> POMDP:
    """Build Pedestrian, by asking the environment what each action does; no time limit.

    States are those that can be reached, the first ones those of the reset, by kind. Pedestrians
    who have crossed are all of the first kind: nothing tells them apart any more.
    """
    env, params = Pedestrian(), Pedestrian().default_params
    kind, place, position, speed = jnp.indices(_SHAPE).reshape(len(_SHAPE), -1)
    every = PedestrianState(
        position=position.astype(jnp.uint8),
        speed=speed.astype(jnp.uint8),
        kind=kind.astype(jnp.uint8),
        lateral=(KERB - place).astype(jnp.int8),
        time=jnp.zeros_like(kind),
    )
    observe, step = jax.jit(jax.vmap(env.get_obs)), jax.vmap(env.step_env, (None, 0, None, None))
    step = jax.jit(jax.vmap(step, (None, None, 0, None), out_axes=1))  # [states, actions]
    _, moved, reward, ends, _ = step(jax.random.key(0), every, jnp.arange(env.num_actions), params)
    follows = _number(moved)
    start = _number(every).reshape(_SHAPE)[:, 0, 0, 0]

    reached = [int(state) for state in start]
    for state in reached:  # grows while it is read
        new = set(follows[state][~np.asarray(ends[state])].tolist()) - set(reached)
        reached += sorted(new)
    among = {state: number for number, state in enumerate(reached)}
    leads = [[among.get(int(after), 0) for after in follows[state]] for state in reached]
    _, shown = np.unique(np.asarray(observe(every))[reached], axis=0, return_inverse=True)
    there = 0.5 / len(NEAR)
    return POMDP(
        transition=np.eye(len(reached))[leads],
        observation=np.repeat(np.eye(shown.max() + 1)[shown.reshape(-1)][None], env.num_actions, 0),
        reward=np.asarray(reward)[reached],
        start=np.pad([0.5] + [there] * len(NEAR), (0, len(reached) - len(start))),
        discount=discount,
        terminal=np.asarray(ends)[reached],
        name=env.name,
    )


def _number(states: PedestrianState) -> np.ndarray:
    """Number states, those who have crossed as if they were of the first kind."""
    kind, position, speed = (
        np.asarray(x, int) for x in (states.kind, states.position, states.speed)
    )
    place = KERB - np.asarray(states.lateral, int)
    crossed = (kind > 0) & (place == KERB - OTHER_SIDE)
    return np.ravel_multi_index((np.where(crossed, 1, kind), place, position, speed), _SHAPE)
