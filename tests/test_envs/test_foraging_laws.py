"""Level-based foraging: what a reset draws, what its policies are worth, its names."""

import collections
import fractions
import itertools
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from adqn_jax import envs
from adqn_jax.envs.foraging import Foraging
from support import multi_step

Cell = tuple[int, int]


def placings(env: Foraging) -> dict[tuple[Any, ...], float]:
    """Return the law of (agents in order, items row by row), by enumeration."""
    rows, columns = env.shape
    grid = list(itertools.product(range(rows), range(columns)))
    inner = [c for c in grid if 0 < c[0] < rows - 1 and 0 < c[1] < columns - 1]
    law: dict[tuple[Any, ...], float] = collections.defaultdict(float)

    def admissible(cell: Cell, agents: tuple[Cell, ...], items: tuple[Cell, ...]) -> bool:
        """As the original says it: no neighbour of eight, none up to two away in row or column."""
        row, column = cell
        for r, c in items:
            around = max(abs(r - row), abs(c - column)) <= 1
            in_line = (r == row and abs(c - column) <= 2) or (c == column and abs(r - row) <= 2)
            if around or in_line:
                return False
        return cell not in agents

    def go_on(agents: tuple[Cell, ...], items: tuple[Cell, ...], probability: float) -> None:
        if len(agents) < env.agents:
            free = [c for c in grid if c not in agents]
            for c in free:
                go_on((*agents, c), items, probability / len(free))
            return
        free = [c for c in inner if admissible(c, agents, items)]
        if len(items) == env.items or not free:
            law[agents, tuple(sorted(items))] += probability
            return
        for c in free:
            go_on(agents, (*items, c), probability / len(free))

    go_on((), (), 1.0)
    return law


def resets(env: Foraging, draws: int) -> Any:
    """Draw states, as NumPy arrays."""
    keys = jax.random.split(jax.random.key(1), draws)
    reset = jax.jit(jax.vmap(lambda key: env.reset_env(key, env.default_params)[1]))
    return jax.tree.map(np.asarray, reset(keys))


def assert_drawn_from(law: dict[Any, float], drawn: list[Any]) -> None:
    """Test frequencies by chi-square; nothing else is ever drawn."""
    counts = collections.Counter(drawn)
    assert counts.keys() <= law.keys()
    expected = np.array(list(law.values())) * len(drawn)
    observed = np.array([counts[outcome] for outcome in law])
    assert expected.min() > 3
    np.testing.assert_allclose(sum(law.values()), 1.0)
    assert len(law) == 1 or stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize(
    ("size", "draws"), [((4, 5, 1, 1), 10_000), ((5, 4, 2, 1), 30_000), ((5, 5, 1, 2), 40_000)]
)
def test_places_follow_their_law(size: tuple[int, ...], draws: int) -> None:
    """Agents anywhere, items where they may be; in the centre of 5x5 one leaves no room."""
    env = Foraging(*size)
    state = resets(env, draws)
    drawn = [
        (tuple(map(tuple, agents)), tuple((r, c) for r, c in items if r >= 0))
        for agents, items in zip(state.agents.tolist(), state.items.tolist(), strict=True)
    ]
    law = placings(env)
    assert_drawn_from(law, drawn)
    if env.items == 2:
        assert {len(items) for _, items in law} == {1, 2}


@pytest.mark.parametrize("agents", [1, 2, 4])
@pytest.mark.parametrize("coop", [False, True])
@pytest.mark.parametrize("levels", [False, True])
def test_levels_follow_their_law(agents: int, coop: bool, levels: bool) -> None:
    """Agents' 1 or 2; items' up to the sum of the three lowest, and exactly it where all must."""
    env = Foraging(6, 6, agents, 2, coop=coop, levels=levels)
    law: dict[Any, fractions.Fraction] = collections.defaultdict(fractions.Fraction)
    for of_agents in itertools.product((1, 2) if levels else (1,), repeat=agents):
        most = sum(sorted(of_agents)[:3])
        least = most if coop else 1
        allowed = range(least, most + 1) if levels or coop else (1,)
        both = list(itertools.product(allowed, repeat=2))
        for of_items in both:
            share = fractions.Fraction(1, len(both) * (2**agents if levels else 1))
            law[of_agents, of_items] += share
    state = resets(env, 20_000)
    full = (state.items >= 0).all((1, 2))
    told = zip(state.agent_levels[full].tolist(), state.item_levels[full].tolist(), strict=True)
    assert_drawn_from(
        {k: float(p) for k, p in law.items()}, [(tuple(a), tuple(i)) for a, i in told]
    )


@pytest.mark.parametrize(
    "name",
    ["foraging", "foraging:3x12:6:2", "foraging:7x4:3:2:levels", "foraging:12x15:2:26:sight=2"],
)
def test_every_reset_is_allowed(name: str) -> None:
    """Nobody on an item, no item on the border or near another, absent ones last and at level 0."""
    env, params = envs.make(name)
    assert isinstance(env, Foraging)
    state = resets(env, 300)
    spaces = env.observation_space(params), env.privileged_state_space(params)
    for agents, items, levels in zip(state.agents, state.items, state.item_levels, strict=True):
        present = items[:, 0] >= 0
        assert present[0]
        assert (np.diff(present.astype(int)) <= 0).all()
        np.testing.assert_array_equal(levels > 0, present)
        assert (items[~present] == -1).all()
        placed = items[present].tolist()
        assert placed == sorted(placed)
        assert (items[present] > 0).all()
        assert (items[present] < np.array(env.shape) - 1).all()
        assert len({*map(tuple, [*agents.tolist(), *placed])}) == env.agents + len(placed)
        for one, other in itertools.combinations(items[present].astype(int), 2):
            assert np.abs(one - other).sum() > 2
    for space, look in zip(spaces, (env.get_obs, env.privileged_state), strict=True):
        assert jax.vmap(space.contains)(jax.vmap(lambda s, f=look: f(s, params))(state)).all()


def test_64_bits_change_nothing() -> None:
    """Where JAX is told to use them: the same reset and step, of the same types."""
    env, params = envs.make("foraging:6x6:2:2:levels")

    def play() -> Any:
        first = env.reset_env(jax.random.key(3), params)
        return first, env.step_env(jax.random.key(0), first[1], 5, params)

    narrow = play()
    with jax.enable_x64(True):
        wide = play()
    for one, other in zip(*map(jax.tree.leaves, (narrow, wide)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_values_of_the_book_s_task() -> None:
    """The optimum, how long it takes, a nearly greedy and a random policy: the exact values."""
    table = multi_step.foraging()
    successor, reward, start = table.successor, table.reward, table.start
    np.testing.assert_allclose(start.sum(), 1.0)

    def evaluate(policy: np.ndarray, discount: float, paid: np.ndarray, steps: int) -> float:
        """Return the value of a policy, [S, A], after so many steps at most."""
        value = np.zeros(len(start) + 1)  # the last is that of the end
        for _ in range(steps):
            value[:-1] = (policy * (paid + discount * value[successor])).sum(1)
        return float(start @ value[:-1])

    value = np.zeros(len(start) + 1)
    for _ in range(50):
        q = reward + 0.99 * value[successor]
        value[:-1] = q.max(1)
    greedy = np.eye(6)[q.argmax(1)]
    assert round(float(start @ value[:-1]), 4) == 0.9635
    assert round(evaluate(greedy, 0.99, reward, 50), 4) == 0.9635
    assert round(evaluate(greedy, 1.0, np.ones_like(reward), 50), 2) == 4.73
    # 0.9606 to 0.9610, by which of several best moves is chosen
    assert round(evaluate(0.95 * greedy + 0.05 / 6, 0.99, reward, 50), 3) == 0.961
    # 0.2177 were the item placed before the agent
    assert round(evaluate(np.full_like(reward, 1 / 6), 0.99, reward, 50), 4) == 0.2179


def test_names() -> None:
    """Equal settings are equal environments; the name that one has makes it again."""
    for name in (
        "foraging",
        "foraging:8x8:1:1:sight=3",
        "foraging:5x9:2:3:coop",
        "foraging:10x10:3:3:sight=2:coop:levels",
    ):
        env, params = envs.make(name)
        assert env.name == name
        assert env == envs.make(env.name)[0]
        assert params.max_steps_in_episode == 50
    assert (
        envs.make("foraging:8x8:1:1")[0] == envs.make("foraging:8x8:1:1:sight=9")[0] == Foraging()
    )
    both = [envs.make(f"foraging:6x6:2:2:{o}")[0] for o in ("coop:sight=2", "sight=2:coop")]
    assert both[0] == both[1] != envs.make("foraging:6x6:2:2:coop")[0]
    assert envs.make("foraging:9x9:4:2")[0].num_actions == 1296
    assert envs.make("foraging", params={"penalty": 0.1})[1].penalty == 0.1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("foraging:8x8", r"known are .*foraging\[:ROWSxCOLUMNS:AGENTS:ITEMS"),
        ("foraging:0x8:1:1", "3 to 50 rows and columns, got 0x8"),
        ("foraging:8x51:1:1", "3 to 50 rows and columns, got 8x51"),
        ("foraging:8x8:0:1", "1 to 6 agents, who have 6.agents joint actions; got 0"),
        ("foraging:20x20:7:1", "1 to 6 agents, who have 6.agents joint actions; got 7"),
        ("foraging:4x5:6:1", "6 agents could leave no room for one"),
        ("foraging:8x8:1:0", "room for 1 to 8 items, .* got 0"),
        ("foraging:5x5:1:3", "a grid of 5x5 has room for 1 to 2 items, .* got 3"),
        ("foraging:8x8:1:1:sight=0", "at least one cell far, got sight=0"),
        ("foraging:8x8:1:1:sight=", "sight=N, coop and levels, each once; got 'sight='"),
        ("foraging:8x8:1:1:sight=1:sight=2", "each once; got 'sight=2'"),
        ("foraging:8x8:1:1:walls", "sight=N, coop and levels, each once; got 'walls'"),
        ("foraging:8x8:1:1:", "each once; got ''"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match=message) as error:
        envs.make(name)
    assert "\n" not in str(error.value)
