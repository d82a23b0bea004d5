"""Cleaner's mazes, and what its recordings do not show."""

import dataclasses

import jax
import numpy as np
import pytest
from scipy import stats

from adqn_jax.envs import Cleaner, draw_maze, random_maze
from adqn_jax.envs.cleaner import MAZE


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
        (("####", "#..#", "####"), "odd sizes of up to 127, this one is 3 x 4"),
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


def test_drawn_mazes_are_spanning_trees() -> None:
    """Every draw is enclosed and connected, has as many tiles as a tree, and no wall is special."""
    keys = jax.random.split(jax.random.key(0), 600)
    mazes = np.asarray(jax.jit(jax.vmap(lambda key: draw_maze(key, 7, 9)))(keys))
    for free in mazes:
        Cleaner(["".join(".#"[not tile] for tile in row) for row in free])
    assert (mazes.sum((1, 2)) == 12 + 11).all()  # 3 x 4 tiles and the openings between them
    # The law does not change under a reflection of the grid.
    opened = mazes.sum(0)
    for one, other in ((opened, opened[::-1]), (opened, opened[:, ::-1])):
        for a, b in zip(one.ravel(), other.ravel(), strict=True):
            assert stats.fisher_exact([[a, 600 - a], [b, 600 - b]]).pvalue > 1e-4
    assert len({maze.tobytes() for maze in mazes}) > 400


def test_smallest_drawn_maze() -> None:
    """One tile; nothing to draw."""
    assert random_maze(3, 3, 0) == ("###", "#.#", "###")


def test_redrawn_maze_of_an_episode() -> None:
    """Episodes differ, an episode keeps its maze, and every derived view of it agrees."""
    env = Cleaner(random_maze(7, 7, 0), redraw=True)
    params = dataclasses.replace(env.default_params, max_steps_in_episode=20)

    @jax.jit
    @jax.vmap
    def play(key: jax.Array) -> tuple:
        _, state = env.reset_env(key, params)

        def body(state, key):
            action = env.action_space(params).sample(key)
            observation, state, *_ = env.step_env(key, state, action, params)
            privileged = env.privileged_state(state, params)
            return state, (observation, env.free_tiles(state), privileged, state.agents)

        return jax.lax.scan(body, state, jax.random.split(key, 20))[1]

    observation, free, privileged, agents = map(
        np.asarray, play(jax.random.split(jax.random.key(1), 16))
    )
    assert len({maze.tobytes() for maze in free[:, 0]}) > 8
    assert (free == free[:, :1]).all()
    channels = privileged.reshape(16, 20, 7, 7, 5)
    np.testing.assert_array_equal(channels[..., 1] == 0, free)
    for episode, step, agent in np.ndindex(16, 20, 2):
        row, column = agents[episode, step, agent]
        assert free[episode, step, row, column]
        around = free[episode, step, row - 1 : row + 2, column - 1 : column + 2]
        view = observation[episode, step].reshape(2, 3, 3, 3)[agent]
        np.testing.assert_array_equal(view.any(-1), around)


def test_even_random_maze() -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match="odd sizes of 3 to 127, got 6 x 7"):
        random_maze(6, 7, 0)
