"""What episodes have shown, against sets, and who is told; what is left to tell, by its formula."""

import dataclasses
import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import envs, make_trainer
from adqn_jax.nn.grids import pairs
from adqn_jax.nn.shown import shown
from settings import drawn_rows, small

GRID = spaces.Box(0, 4, (3, 3, 3), jnp.uint8)


def met(grid: np.ndarray) -> set[tuple[int, int, int, int]]:
    """List which index of a channel meets which one of a later channel in some cell."""
    cells = grid.reshape(-1, grid.shape[-1])
    of = itertools.combinations(range(grid.shape[-1]), 2)
    return {(i, j, int(cell[i]), int(cell[j])) for i, j in of for cell in cells}


@given(st.integers(0, 2**32 - 1))
def test_pairs_are_those_that_meet(seed: int) -> None:
    """A bit for each two indices of two channels; of one channel, for each index."""
    grid = np.random.default_rng(seed).integers(0, 5, (3, 3, 3))
    bits = np.asarray(pairs(jnp.asarray(grid), 5)).reshape(3, 5, 5)
    found = zip(*np.nonzero(bits), strict=True)
    which = list(itertools.combinations(range(3), 2))
    assert {(*which[k], int(a), int(b)) for k, a, b in found} == met(grid)
    single = np.asarray(pairs(jnp.asarray(grid[..., :1]), 5))
    assert set(np.nonzero(single)[0]) == set(grid[..., 0].ravel())


@given(st.integers(0, 2**32 - 1))
def test_shown_is_what_the_episode_has_shown(seed: int) -> None:
    """Sets that grow along a row and begin anew with an episode; entries of a Dict join."""
    rng = np.random.default_rng(seed)
    space = spaces.Dict({"a": spaces.Discrete(4), "b": spaces.Box(-1, 1, (2,)), "c": GRID})
    seen = {
        "a": rng.integers(0, 4, (8, 2)),
        "b": rng.normal(size=(8, 2, 2)),
        "c": rng.integers(0, 5, (8, 2, 3, 3, 3)),
    }
    start = rng.random((8, 2)) < 0.3
    found = shown(space, jax.tree.map(jnp.asarray, seen), jnp.asarray(start))
    now = np.concatenate([np.eye(4)[seen["a"]], pairs(jnp.asarray(seen["c"]), 5)], axis=-1) > 0
    expected = np.zeros_like(now)
    for row in range(2):
        so_far = np.zeros(now.shape[-1], bool)
        for t in range(8):
            so_far = now[t, row] | (so_far & ~start[t, row])
            expected[t, row] = so_far
    np.testing.assert_array_equal(found, expected)
    first, second = (jax.tree.map(lambda x, of=of: x[of], seen) for of in (np.s_[:3], np.s_[3:]))
    begun = shown(space, first, jnp.asarray(start[:3]))
    gone_on = shown(space, second, jnp.asarray(start[3:]), begun[-1])
    np.testing.assert_array_equal(jnp.concatenate([begun, gone_on]), expected)


@pytest.mark.parametrize("changes", [{"recall_weight": 0.1}, {"memory_bits": True}])
def test_nothing_to_count(changes: dict[str, Any]) -> None:
    """A sentence says which observations can be asked for."""
    with pytest.raises(ValueError, match="is for observations that are Discrete") as refusal:
        make_trainer(small("dqn", **changes), *envs.make("carflag"))
    assert str(refusal.value).startswith(next(iter(changes)))


def test_told_what_was_shown() -> None:
    """Without a memory of its own, Q tells by the bits whether something was seen before."""
    trainer = make_trainer(
        small("dqn", history="none", memory_bits=True), *envs.make("heavenhell-1")
    )
    state = jax.jit(trainer.init)(jax.random.key(0))
    networks, params = trainer.agent.networks, state.agent.params
    seen = jnp.array([[1], [2], [2]])  # in slots of one row
    start = jnp.array([[True], [False], [False]])
    example = drawn_rows(trainer, state, jax.random.key(1)).inputs
    inputs = jax.tree.map(lambda x: jnp.zeros((3, 1, *x.shape[2:]), x.dtype), example)
    inputs = dataclasses.replace(inputs, observation=seen, start=start)
    anew = dataclasses.replace(inputs, start=start.at[1].set(True))
    q, other = (networks.unroll(params, of).q[:, 0] for of in (inputs, anew))
    np.testing.assert_array_equal(q[0], other[0])
    np.testing.assert_array_equal(q[1], q[2])  # both have shown 1 and 2, and show 2
    assert np.abs(q[2] - other[2]).max() > 1e-4


@pytest.mark.parametrize("asked", ["recall", "belief"])
def test_what_is_left_to_tell(asked: str) -> None:
    """At first bits have the odds e^-4, and states are alike; Q's history moves, nothing of U."""
    env, env_params = envs.make("heavenhell-1")
    config = small("adqn", **{f"{asked}_weight": 0.5})
    trainer = make_trainer(config, env, env_params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    rows = drawn_rows(trainer, state, jax.random.key(1))

    def step(agent: Any, params: Any) -> Any:
        opt_state = agent.learner.init_opt_state(params)
        update = jax.jit(agent.learner.update)
        return update(config.hyper, params, params, opt_state, rows, jax.random.key(2))

    params = state.agent.params
    first = step(trainer.agent, params)
    space = env.observation_space(env_params)
    number = np.asarray(shown(space, rows.inputs.observation, rows.inputs.start)).sum(-1)
    left = number * math.log1p(math.exp(4.0)) + (space.n - number) * math.log1p(math.exp(-4.0))
    if asked == "belief":
        left = np.full(left.shape, math.log(env.privileged_state_space(env_params).n))
    expected = left[np.asarray(rows.valid.at[-1].set(False))].mean()
    np.testing.assert_allclose(first.diagnostics[f"loss_{asked}"], expected, rtol=1e-5)

    # Its own weights are 0 at first, so that they alone move; then what they say matters to Q.
    second = step(trainer.agent, params | {asked: first.params[asked]}).params
    of = {name: (second[name]["history"], first.params[name]["history"]) for name in "qu"}
    same = {name: bits_equal(*trees) for name, trees in of.items()}
    assert same == {"q": False, "u": True}


def bits_equal(one: Any, other: Any) -> bool:
    """Compare trees."""
    leaves = zip(*map(jax.tree.leaves, (one, other)), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)
