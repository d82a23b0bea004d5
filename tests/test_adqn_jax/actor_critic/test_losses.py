"""Losses of actor and critic by hand, and the policy-gradient theorem by exact enumeration."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax.actor_critic import losses
from adqn_jax.returns import lambda_returns

STATES, ACTIONS, STEPS, DISCOUNT = 2, 2, 3, 0.8
_RNG = np.random.default_rng(3)
MOVES = _RNG.dirichlet(np.ones(STATES), (STATES, ACTIONS))
PAYS = _RNG.normal(size=(STATES, ACTIONS))
LOGITS = jnp.float32(_RNG.normal(size=(STEPS, STATES, ACTIONS)))


class Path(NamedTuple):
    """An episode that can happen: probability of the moves, and what was met, T steps."""

    chance: float
    states: jax.Array
    actions: jax.Array
    rewards: jax.Array


def paths() -> Iterator[Path]:
    """List all episodes of a small MDP, which begin in state 0."""
    for later in itertools.product(range(STATES), repeat=STEPS - 1):
        for actions in itertools.product(range(ACTIONS), repeat=STEPS):
            states = (0, *later)
            moves = zip(states, actions, later, strict=False)
            chance = float(np.prod([MOVES[s, a, after] for s, a, after in moves]))
            pairs = zip(states, actions, strict=True)
            rewards = jnp.float32([PAYS[s, a] for s, a in pairs])
            yield Path(chance, jnp.array(states), jnp.array(actions), rewards)


PATHS = jax.tree.map(lambda *x: jnp.stack([jnp.asarray(y) for y in x]), *paths())
DISCOUNTS = jnp.full(STEPS, DISCOUNT).at[-1].set(0.0)


def log_probs(logits: jax.Array, path: Path) -> jax.Array:
    """Return log π of the actions of an episode, float [T]."""
    return jax.nn.log_softmax(logits)[jnp.arange(STEPS), path.states, path.actions]


def returns(path: Path) -> jax.Array:
    """Return the Monte Carlo returns of an episode, float [T]."""
    return lambda_returns(path.rewards, DISCOUNTS, jnp.zeros(STEPS), jnp.ones(STEPS))


def expected_return(logits: jax.Array) -> jax.Array:
    """Return J, the expected discounted return."""

    def of_path(path: Path) -> jax.Array:
        return path.chance * jnp.exp(log_probs(logits, path).sum()) * returns(path)[0]

    return jax.vmap(of_path)(PATHS).sum()


def values() -> jax.Array:
    """Return V(t,s) of the policy, float [T, S], exactly."""
    policy, result = np.asarray(jax.nn.softmax(LOGITS)), np.zeros((STEPS + 1, STATES))
    for t in reversed(range(STEPS)):
        result[t] = (policy[t] * (PAYS + DISCOUNT * MOVES @ result[t + 1])).sum(-1)
    return jnp.float32(result[:-1])


def gradients(baseline: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return each episode's chance, and its gradient of the loss, with a baseline b(t,s)."""

    def loss(logits: jax.Array, path: Path) -> jax.Array:
        advantage = returns(path) - baseline[jnp.arange(STEPS), path.states]
        of_steps = jax.vmap(losses.policy_gradient_loss)(log_probs(logits, path), advantage)
        return jnp.sum(DISCOUNT ** jnp.arange(STEPS) * of_steps)

    chance = jax.vmap(lambda path: path.chance * jnp.exp(log_probs(LOGITS, path).sum()))(PATHS)
    return chance, jax.vmap(jax.grad(loss), (None, 0))(LOGITS, PATHS)


@pytest.mark.parametrize("baseline", ["none", "any", "value"])
def test_policy_gradient_theorem(baseline: str) -> None:
    """The mean over all episodes is the gradient of J, whatever the baseline."""
    rng = np.random.default_rng(5)
    by_state = {
        "none": jnp.zeros((STEPS, STATES)),
        "any": jnp.float32(rng.normal(size=(STEPS, STATES))),
        "value": values(),
    }[baseline]
    chance, gradient = gradients(by_state)
    np.testing.assert_allclose(chance.sum(), 1.0, atol=1e-5)
    mean = jnp.einsum("n,ntsa->tsa", chance, gradient)
    np.testing.assert_allclose(mean, -jax.grad(expected_return)(LOGITS), atol=1e-5)


def test_the_value_as_baseline_cuts_the_variance() -> None:
    """Variance of the gradient over episodes, all of its entries summed, exactly."""
    variance = {}
    for name, baseline in (("none", jnp.zeros((STEPS, STATES))), ("value", values())):
        chance, gradient = gradients(baseline)
        mean = jnp.einsum("n,ntsa->tsa", chance, gradient)
        variance[name] = float(jnp.einsum("n,ntsa->", chance, (gradient - mean) ** 2))
    assert variance["value"] < 0.8 * variance["none"]


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.5, 2.0, -2.4),  # no gain beyond 1 + ε
        (1.5, -2.0, 3.0),  # but harm counts in full
        (0.5, 2.0, -1.0),
        (0.5, -2.0, 1.6),
        (1.1, 2.0, -2.2),
    ],
)
def test_clipped_surrogate(ratio: float, advantage: float, expected: float) -> None:
    """What the clip takes away, it takes away from gains only."""
    old = jnp.float32(-1.0)
    new = old + jnp.log(ratio)
    loss = losses.clipped_surrogate_loss(new, old, jnp.float32(advantage), 0.2)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_at_ratio_one_the_gradient_is_the_policy_gradient() -> None:
    """Before the first step both losses ask for the same."""
    log_prob, advantage = jnp.float32(-0.7), jnp.float32(1.3)
    clipped = jax.grad(losses.clipped_surrogate_loss)(log_prob, log_prob, advantage, 0.2)
    assert clipped == jax.grad(losses.policy_gradient_loss)(log_prob, advantage)


def test_constants_have_no_gradient() -> None:
    """Advantages, targets and old numbers."""
    one, two, three = jnp.float32(1.0), jnp.float32(2.0), jnp.float32(3.0)
    assert jax.grad(losses.policy_gradient_loss, 1)(one, two) == 0.0
    assert jax.grad(losses.clipped_surrogate_loss, (1, 2))(one, one, two, 0.2) == (0.0, 0.0)
    assert jax.grad(losses.value_loss, (0, 1))(one, three) == (-4.0, 0.0)
    assert jax.grad(losses.clipped_value_loss, (1, 2))(one, two, three, 0.2) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2.1, 0.81),  # near the old value: the square
        (2.9, 0.64),  # far beyond, towards the target: as if it had stopped at 2.2
        (1.5, 2.25),  # away from the target: in full
    ],
)
def test_clipped_value_loss(value: float, expected: float) -> None:
    """A value gains nothing by going further than the range; old value 2, target 3."""
    of = (jnp.float32(x) for x in (value, 2.0, 3.0))
    np.testing.assert_allclose(losses.clipped_value_loss(*of, 0.2), expected, rtol=1e-5)
