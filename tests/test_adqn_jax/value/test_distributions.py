"""Losses of distributions: rlax as oracle, and what must hold of each."""

import functools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import Hyperparameters
from adqn_jax.nn.heads import midpoints
from adqn_jax.value import HeadConfig, losses
from adqn_jax.value.distributions import Returns, make_distribution

with warnings.catch_warnings():  # of what rlax imports, theirs to mend
    warnings.simplefilter("ignore", DeprecationWarning)
    import rlax

ATOMS, ACTIONS = 7, 3
SUPPORT = jnp.linspace(-2.0, 3.0, ATOMS)
KINDS: dict[str, dict[str, Any]] = {
    "categorical": {"value_least": -2.0, "value_most": 3.0, "value_atoms": ATOMS},
    "quantile": {"value_atoms": ATOMS},
    "implicit-quantile": {"value_atoms": ATOMS},
    "particles": {"value_atoms": ATOMS},
}


def kind(name: Any) -> Any:
    """Make a distribution."""
    return make_distribution(HeadConfig(values=name, **KINDS[name]))


def drawn(seed: int, *shape: int) -> jax.Array:
    """Draw numbers."""
    return jax.random.normal(jax.random.key(seed), shape)


def ours(name: str, outputs: jax.Array, target: jax.Array, selector: jax.Array) -> jax.Array:
    """Compute a transition's loss, of action 1, with reward 0.3 and discount 0.9."""
    of = kind(name)
    after = jax.tree.map(lambda x: losses.bootstrap_value(x, of.mean(selector)), of.returns(target))
    returns = Returns(0.3 + 0.9 * after.atoms, after.probabilities)
    loss: jax.Array = of.loss(Hyperparameters(), outputs[1], None, returns)
    return loss


def theirs(name: str, outputs: jax.Array, target: jax.Array, selector: jax.Array) -> Any:
    """Let rlax compute the same."""
    step = (jnp.int32(1), jnp.float32(0.3), jnp.float32(0.9))
    if name == "categorical":
        values = jax.nn.softmax(selector) @ SUPPORT
        return rlax.categorical_double_q_learning(SUPPORT, outputs, *step, SUPPORT, target, values)
    of_action = (outputs.T, midpoints(ATOMS), *step, selector.T, target.T)
    return rlax.quantile_q_learning(*of_action, huber_param=1.0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("name", ["categorical", "quantile"])
def test_rlax_agrees(name: str, double: bool, seed: int) -> None:
    """Loss and gradient to 1e-6, whoever selects."""
    outputs, target, other = (drawn(3 * seed + i, ACTIONS, ATOMS) for i in range(3))
    selector = other if double else target
    got, expected = (
        jax.value_and_grad(of, 1)(name, outputs, target, selector) for of in (ours, theirs)
    )
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-6, atol=1e-6)


def test_rlax_agrees_on_categorical_q_learning() -> None:
    """Where the target selects, rlax has a function of its own."""
    outputs, target = drawn(0, ACTIONS, ATOMS), drawn(1, ACTIONS, ATOMS)
    plain = rlax.categorical_q_learning(
        SUPPORT, outputs, jnp.int32(1), jnp.float32(0.3), jnp.float32(0.9), SUPPORT, target
    )
    np.testing.assert_allclose(ours("categorical", outputs, target, target), plain, rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_rlax_agrees_on_double_q_learning(seed: int) -> None:
    """The scalar error, too."""
    q, target, selector = (drawn(3 * seed + i, ACTIONS) for i in range(3))
    returned = 0.3 + 0.9 * losses.bootstrap_value(target, selector)
    error = rlax.double_q_learning(
        q, jnp.int32(1), jnp.float32(0.3), jnp.float32(0.9), target, selector
    )
    np.testing.assert_allclose(
        losses.td_error(q, jnp.int32(1), returned), error, rtol=1e-6, atol=1e-6
    )


distributions = st.lists(
    st.tuples(st.floats(-10, 10, width=32), st.integers(1, 9)), min_size=4, max_size=4
)


@given(distributions, st.booleans())
def test_projection_keeps_mass_and_mean(points: list[tuple[float, int]], inside: bool) -> None:
    """Mass always; the mean of what lies inside; what lies outside goes to the ends."""
    atoms = np.array([x for x, _ in points], np.float32)
    if inside:
        atoms = np.clip(atoms, -2.0, 3.0)
    weights = np.array([w for _, w in points], np.float32)
    probabilities = weights / weights.sum()
    result = np.asarray(_project(atoms, probabilities))
    assert (result >= 0).all()
    np.testing.assert_allclose(result.sum(), 1.0, atol=1e-6)
    mean = (np.clip(atoms, -2.0, 3.0) * probabilities).sum()
    np.testing.assert_allclose((result * np.asarray(SUPPORT)).sum(), mean, atol=1e-5)


@functools.cache
def _compiled() -> Any:
    return jax.jit(losses.categorical_projection)


def _project(atoms: Any, probabilities: Any) -> Any:
    return _compiled()(atoms, probabilities, SUPPORT)


def test_moment_matching_is_zero_only_for_equals() -> None:
    """In whatever order; a particle elsewhere shows, and is drawn to where it belongs."""
    x = drawn(0, ATOMS)
    assert abs(float(losses.moment_matching(x, x[::-1]))) < 1e-5
    moved = x.at[0].add(0.5)
    assert losses.moment_matching(moved, x) > 1e-4
    assert jax.grad(losses.moment_matching)(moved, x)[0] > 0.0
    np.testing.assert_array_equal(jax.grad(losses.moment_matching, 1)(moved, x), 0.0)


@pytest.mark.parametrize("kappa", [0.1, 1.0, 3.0])
def test_quantile_loss_by_hand(kappa: float) -> None:
    """Huber's loss within and beyond kappa, tilted by the fraction."""
    quantiles, fractions = np.array([0.0, 1.0]), np.array([0.25, 0.75])
    atoms = np.array([-2.0, 0.5, 1.2])
    expected = 0.0
    for q, tau in zip(quantiles, fractions, strict=True):
        u = atoms - q
        huber = np.where(np.abs(u) <= kappa, u**2 / 2, kappa * (np.abs(u) - kappa / 2))
        expected += (np.abs(tau - (u < 0)) * huber).mean()
    given_ = (jnp.float32(x) for x in (quantiles, fractions, atoms, kappa))
    np.testing.assert_allclose(losses.quantile_huber(*given_), expected, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_actions_are_judged_by_the_mean(name: str) -> None:
    """Whatever the numbers, `mean` is the mean of what `returns` says."""
    of, outputs = kind(name), drawn(0, 2, ACTIONS, ATOMS)
    np.testing.assert_allclose(of.mean(outputs), of.returns(outputs).mean, atol=1e-6)
    assert of.mean(outputs).shape == (2, ACTIONS)


def test_a_categorical_distribution_needs_a_range() -> None:
    """One sentence says which."""
    with pytest.raises(ValueError, match="value_least must be below value_most, got 0 and 0"):
        make_distribution(HeadConfig(values="categorical"))


@pytest.mark.parametrize("name", KINDS)
def test_a_bernoulli_return_is_learned(name: Any) -> None:
    """A chain of two steps whose end pays 1 with probability 0.3: mean, variance, quantiles.

    Exact: from the second step mean 0.3 and variance 0.21; from the first, discounted by 0.5, a
    half and a quarter of these; the quantiles are 0 below a share of 0.7, and the reward above.
    """
    of = make_distribution(HeadConfig(values=name, value_atoms=21, value_least=-1, value_most=1))
    hyper = Hyperparameters(kappa=1e-3)  # Huber's loss would pull quantiles towards the mean

    def loss(outputs: jax.Array, key: jax.Array) -> jax.Array:
        reward = jax.random.bernoulli(key, 0.3, (16,)).astype(jnp.float32)
        nothing = of.returns(jnp.zeros_like(outputs[1]))
        ends = jax.vmap(lambda r: Returns(r + 0.0 * nothing.atoms, nothing.probabilities))(reward)
        bootstrap = jax.lax.stop_gradient(of.returns(outputs[1]))
        first = of.loss(hyper, outputs[0], None, bootstrap.replace(atoms=0.5 * bootstrap.atoms))
        second = jax.vmap(lambda to: of.loss(hyper, outputs[1], None, to))(ends)
        return first + second.mean()

    adam = optax.adam(0.02)

    def step(carry: Any, inputs: Any) -> Any:
        outputs, state, average = carry
        key, last = inputs
        updates, state = adam.update(jax.grad(loss)(outputs, key), state)
        outputs = outputs + updates
        return (outputs, state, average + last * outputs / 1000.0), None

    start = 0.1 * drawn(0, 2, *of.shape)
    keys, late = jax.random.split(jax.random.key(1), 4000), jnp.arange(4000) >= 3000
    carry = (start, adam.init(start), jnp.zeros_like(start))
    outputs = jax.jit(lambda c: jax.lax.scan(step, c, (keys, late)))(carry)[0][2]
    returns = of.returns(outputs)
    weights = returns.probabilities
    weights = jnp.full(returns.atoms.shape, 1 / 21) if weights is None else weights
    mean = (weights * returns.atoms).sum(-1)
    variance = (weights * (returns.atoms - mean[:, None]) ** 2).sum(-1)
    np.testing.assert_allclose(mean, [0.15, 0.3], atol=0.03)
    np.testing.assert_allclose(variance, [0.21 / 4, 0.21], atol=0.03)
    if "quantile" in name:
        shares = np.asarray(midpoints(21))
        for values, paid in zip(outputs, (0.5, 1.0), strict=True):
            clear = np.abs(shares - 0.7) > 0.06
            np.testing.assert_allclose(values[clear], (paid * (shares > 0.7))[clear], atol=0.05)
