"""Memory-Four-Rooms' law of resets, and its parameters."""

import jax
import numpy as np
import pytest
from scipy import stats

from adqn_jax.envs import MemoryFourRooms
from adqn_jax.envs.views import visible

SAMPLES = 20_000


@pytest.fixture(scope="module")
def resets() -> tuple[MemoryFourRooms, dict[str, np.ndarray]]:
    """Draw many resets."""
    env = MemoryFourRooms()
    keys = jax.random.split(jax.random.key(0), SAMPLES)
    state = jax.jit(jax.vmap(lambda key: env.reset_env(key, env.default_params)[1]))(keys)
    return env, {name: np.asarray(value) for name, value in vars(state).items()}


def assert_uniform(draws: np.ndarray, expected: int) -> None:
    """Compare counts of `expected` different outcomes with the uniform law (chi-square)."""
    _, counts = np.unique(draws, return_counts=True)
    assert counts.size == expected
    assert stats.chisquare(counts).pvalue > 1e-3


def test_doors_headings_and_colours_are_uniform(
    resets: tuple[MemoryFourRooms, dict[str, np.ndarray]],
) -> None:
    """16 sets of doors, 4 headings, 12 ordered pairs of colours, each as likely as another."""
    _, state = resets
    assert_uniform(state["doors"] @ (2 ** np.arange(4)), 16)
    assert_uniform(state["heading"], 4)
    assert (state["colours"][:, 0] != state["colours"][:, 1]).all()
    assert_uniform(state["colours"] @ np.array([8, 1]), 12)


def test_objects_are_on_distinct_floor_cells(
    resets: tuple[MemoryFourRooms, dict[str, np.ndarray]],
) -> None:
    """Agent, beacon and exits: distinct, on floor; uniform over the rooms, and where doors are."""
    env, state = resets
    cells = np.column_stack([state["agent"], state["beacon"], state["exits"]])
    assert (np.diff(np.sort(cells, axis=1), axis=1) > 0).all()
    rooms = env._room_cells
    doors = env._door_cells[np.arange(4), state["doors"]]
    on_door = (cells[:, :, None] == doors[:, None]).any(-1)
    assert (on_door | np.isin(cells, rooms)).all()
    for column in range(4):
        inside = cells[:, column][~on_door[:, column]]
        assert set(inside) == set(rooms)
        assert_uniform(inside, 16)
        # 4 of the 20 floor cells are doors.
        assert stats.binomtest(int(on_door[:, column].sum()), SAMPLES, 0.2).pvalue > 1e-3


def test_independence_of_heading_and_place(
    resets: tuple[MemoryFourRooms, dict[str, np.ndarray]],
) -> None:
    """Heading and cell do not depend on each other."""
    _, state = resets
    rooms = np.isin(state["agent"], resets[0]._room_cells)
    table = np.zeros((49, 4))
    np.add.at(table, (state["agent"][rooms], state["heading"][rooms]), 1)
    assert stats.chi2_contingency(table[table.sum(1) > 0]).pvalue > 1e-3


def test_what_is_visible() -> None:
    """Random views, flooded cell by cell in a queue."""
    rng = np.random.default_rng(0)
    opaque = rng.random((200, 7, 7)) < rng.uniform(0.1, 0.7, (200, 1, 1))
    got = np.asarray(jax.vmap(visible)(opaque))
    for walls, seen in zip(opaque, got, strict=True):
        expected = np.zeros((7, 7), bool)
        for side in (-1, 1):
            reached, todo = {(6, 3)}, [(6, 3)]
            while todo:
                row, column = todo.pop()
                spread = [(row - 1, column), (row, column + side), (row - 1, column + side)]
                for cell in spread if not walls[row, column] else []:
                    if cell[0] >= 0 and 0 <= cell[1] < 7 and cell not in reached:
                        reached.add(cell)
                        todo.append(cell)
            expected[tuple(np.array(sorted(reached)).T)] = True
        np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize(("size", "colours"), [(5, (3, 4)), (9, (1, 2, 3, 4)), (15, (3, 4))])
def test_sizes_and_colours(size: int, colours: tuple[int, ...]) -> None:
    """Other sizes and colours keep to their spaces, and end at an exit."""
    env = MemoryFourRooms(size, colours)
    params = env.default_params
    keys = jax.random.split(jax.random.key(1), 64)

    @jax.jit
    @jax.vmap
    def play(key: jax.Array) -> tuple:
        _, state = env.reset_env(key, params)

        def body(state, key):
            action = env.action_space(params).sample(key)
            observation, state, reward, over, _ = env.step_env(key, state, action, params)
            return state, (observation, reward, over, env.privileged_state(state, params))

        return state.colours, jax.lax.scan(body, state, jax.random.split(key, 200))[1]

    drawn, (observation, reward, over, privileged) = play(keys)
    assert set(np.unique(drawn)) == set(colours)
    assert observation.min() >= 1
    assert observation.max() <= 16
    assert (np.asarray(privileged["agent_grid"]).sum((-1, -2)) == 1).all()
    assert privileged["grid"].max() <= 14
    np.testing.assert_array_equal(over, np.abs(reward) > 1)
    assert over.any()


@pytest.mark.parametrize(
    ("size", "colours", "message"),
    [
        (8, (1, 2), "odd size from 5 to 15, got 8"),
        (3, (1, 2), "odd size from 5 to 15, got 3"),
        (7, (1,), "two or more different colours"),
        (7, (1, 1), "two or more different colours"),
        (7, (1, 1, 2), "two or more different colours"),
        (7, (1, 5), "two or more different colours"),
    ],
)
def test_bad_parameters(size: int, colours: tuple[int, ...], message: str) -> None:
    """One sentence says what would be right."""
    with pytest.raises(ValueError, match=message):
        MemoryFourRooms(size, colours)
