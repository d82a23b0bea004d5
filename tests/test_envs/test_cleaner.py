"""Cleaner's mazes, and what its recordings do not show."""

import jax
import numpy as np
import pytest

from envs import Cleaner
from envs.cleaner import MAZE


def test_optimum_is_every_tile() -> None:
    """71 tiles start dirty; an agent that walks the whole maze cleans them all and succeeds."""
    env = Cleaner()
    params = env.default_params
    _, state = env.reset_env(jax.random.key(0), params)
    free = {tuple(cell) for cell in np.argwhere(env._free)}
    assert len(free) == 71
    assert int(np.unpackbits(np.asarray(state.dirty)).sum()) == 71
    moves = {(-1, 0): 0, (1, 0): 1, (0, -1): 2, (0, 1): 3}
    walk: list[int] = []

    def visit(cell: tuple[int, int], seen: set) -> None:
        seen.add(cell)
        for (down, right), move in moves.items():
            there = (cell[0] + down, cell[1] + right)
            if there in free and there not in seen:
                walk.append(move)
                visit(there, seen)
                walk.append(moves[(-down, -right)])

    visit((1, 1), set())
    step = jax.jit(lambda state, action: env.step_env(None, state, action, params))
    total, success = 0.0, False
    for move in [0, *walk]:  # bumping into a wall cleans the first tile
        _, state, reward, _, info = step(state, 4 * move + move)
        total += float(reward)
        success = bool(info["success"])
    assert total == 71
    assert success


def test_other_mazes() -> None:
    """Any odd size does; the spaces follow."""
    env = Cleaner(("#####", "#...#", "#####"))
    params = env.default_params
    observation, state = env.reset_env(jax.random.key(0), params)
    assert observation.shape == env.observation_space(params).shape
    assert env.privileged_state(state, params).shape == (75,)
    assert env.privileged_state_space(params).shape == (75,)
    # The agents share a tile: each is drawn last in its own view.
    np.testing.assert_array_equal(observation.reshape(2, 3, 3, 3)[:, 1, 1], [[1, 0, 0]] * 2)


@pytest.mark.parametrize(
    ("maze", "message"),
    [
        ((), "rows of equal length"),
        (("###", "#.#", "##"), "rows of equal length"),
        (("###", "#x#", "###"), "rows of equal length"),
        (("####", "#..#", "####"), "odd sizes, this one is 3 x 4"),
        (("###", "#..", "###"), "open at its border"),
        (("#####", "##..#", "#####"), "row 1, column 1, where this maze has a wall"),
        (("#####", "#.#.#", "#####"), r"connected, \(1, 3\) cannot be reached"),
        (MAZE[:-1], "odd sizes"),
    ],
)
def test_bad_mazes(maze: tuple[str, ...], message: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match=message):
        Cleaner(maze)
