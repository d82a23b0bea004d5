"""The joint loss: identities between algorithms, averages, options."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import ALGORITHMS, Hyperparameters, LossConfig, envs, make_trainer
from adqn_jax.types import Inputs, Params, Rows
from adqn_jax.value.distributions import Scalar
from adqn_jax.value.learner import average, slot_weights
from adqn_jax.value.networks import Values
from adqn_jax.value.regression import Regression
from settings import drawn_rows, scalar_losses, small

SLOTS, ROWS, ACTIONS = 9, 3, 4
HYPER = Hyperparameters(discount=0.9, return_lambda=0.8)


def make_rows(ends: str = "...T...L.", **changes: Any) -> Rows:
    """Make rows of equal shape: T terminates, L truncates, F is a final slot, . goes on."""
    kinds = np.array(list(ends))
    end = (kinds == "T") | (kinds == "L")
    after = np.append(True, (end & (np.append(kinds[1:], ".") != "F")) | (kinds == "F"))[:-1]
    column = lambda x: jnp.asarray(np.repeat(x[:, None], ROWS, 1))  # noqa: E731
    keys = jax.random.split(jax.random.key(7), 2)
    nothing = jnp.zeros((SLOTS, ROWS), jnp.int32)
    rows = {
        "inputs": Inputs(nothing, nothing, nothing, column(after)),
        "action": jax.random.randint(keys[0], (SLOTS, ROWS), 0, ACTIONS),
        "reward": jax.random.normal(keys[1], (SLOTS, ROWS)),
        "terminated": column(kinds == "T"),
        "truncated": column(kinds == "L"),
        "valid": column(kinds != "F"),
    }
    return Rows(**(rows | changes))


def make_values(seed: int) -> jax.Array:
    """Draw action values."""
    return jax.random.normal(jax.random.key(seed), (SLOTS, ROWS, ACTIONS))


def target_returns(
    config: LossConfig, hyper: Hyperparameters, rows: Rows, values: Values
) -> jax.Array:
    """Return what Q and U regress on, where Q selects for itself."""
    regression = Regression(ALGORITHMS["adqn"], config, hyper, Scalar())
    bootstrap = values.q if values.u is None else values.u
    return regression.returns(rows, bootstrap, values.q, key=None).atoms


@pytest.mark.parametrize("name", ["adqn", "adqn-state"])
def test_u_equal_to_q_makes_adqn_dqn(name: str) -> None:
    """With U = Q the asymmetric losses are DQN's."""
    rows, online, target = make_rows(), make_values(0), make_values(1)
    of = lambda a, u: scalar_losses(  # noqa: E731
        a, LossConfig(), HYPER, rows,
        Values(online, online if u else None), Values(target, target if u else None),
    )  # fmt: skip
    dqn, adqn = of("dqn", False), of(name, True)
    np.testing.assert_array_equal(adqn["q"], dqn["q"])
    np.testing.assert_array_equal(adqn["u"], dqn["q"])


@pytest.mark.parametrize("name", ["adqn", "adqn-state"])
@pytest.mark.parametrize("lam", [0.0, 0.6])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_share_of_u_in_the_targets_of_q(share: float, lam: float, name: str) -> None:
    """Q's targets lie between those of DQN and those of the algorithm, by the share; U's stay."""
    rows, hyper = make_rows(), HYPER.replace(return_lambda=lam)
    online, target = (Values(make_values(i), make_values(i + 1)) for i in (0, 2))

    def loss(algo: str, share: float, u: bool = True) -> dict[str, jax.Array]:
        without = [x if u else Values(x.q, None) for x in (online, target)]
        return scalar_losses(algo, LossConfig(privileged_share=share), hyper, rows, *without)

    dqn, whole, got = loss("dqn", 1.0, u=False), loss(name, 1.0), loss(name, share)
    np.testing.assert_array_equal(got["u"], whole["u"])
    taken = jnp.take_along_axis(online.q, rows.action[..., None], -1)[:-1, :, 0]
    returns = [
        target_returns(LossConfig(), hyper, rows, values)
        for values in (target, Values(target.q, None))
    ]
    mixed = share * returns[0] + (1.0 - share) * returns[1]
    errors = slot_weights(LossConfig(), rows)[:-1] * (mixed - taken) ** 2
    np.testing.assert_allclose(got["q"], errors.sum(), rtol=1e-5)
    if share in (0.0, 1.0):
        np.testing.assert_allclose(got["q"], (whole if share else dqn)["q"], rtol=1e-5)


def test_bootstrap_action_is_that_of_q() -> None:
    """U gives the value of Q's action, not its own best."""
    rows = make_rows("." * SLOTS, reward=jnp.zeros((SLOTS, ROWS)))
    q, u = make_values(0), make_values(1)
    returns = target_returns(LossConfig(), Hyperparameters(discount=1.0), rows, Values(q, u))
    expected = np.take_along_axis(np.asarray(u), np.asarray(q).argmax(-1)[..., None], -1)[1:, :, 0]
    np.testing.assert_allclose(returns, expected, rtol=1e-6)
    assert (expected < np.asarray(u).max(-1)[1:]).any()


def test_variance_reduction_regresses_on_the_target_u() -> None:
    """Q's loss is the mean square distance to U in all actions, or in the one taken."""
    rows, q, u = make_rows(), make_values(0), make_values(1)
    both = {
        which: scalar_losses(
            "adqn-vr", LossConfig(regress_actions=which), HYPER, rows,
            Values(q, make_values(2)), Values(make_values(3), u),
        )["q"]
        for which in ("all", "taken")
    }  # fmt: skip
    square = np.asarray((q - u) ** 2)[:-1]
    taken = np.take_along_axis(square, np.asarray(rows.action)[:-1, :, None], -1)
    np.testing.assert_allclose(both["all"], square.mean(), rtol=1e-5)
    np.testing.assert_allclose(both["taken"], taken.mean(), rtol=1e-5)


def test_time_limit_terminates_or_bootstraps() -> None:
    """A truncation stops the bootstrap only where it counts as an end; a termination always."""
    rows = make_rows("..T.LF...", reward=jnp.zeros((SLOTS, ROWS)))
    values = Values(jnp.ones((SLOTS, ROWS, ACTIONS)), None)
    hyper = Hyperparameters(discount=0.9, return_lambda=1.0)
    ends = target_returns(LossConfig(), hyper, rows, values)[:, 0]
    goes_on = target_returns(LossConfig(time_limit="bootstraps"), hyper, rows, values)[:, 0]
    np.testing.assert_allclose(ends[:5], 0.0)
    np.testing.assert_allclose(goes_on[:5], [0.0, 0.0, 0.0, 0.9**2, 0.9], rtol=1e-6)


def test_traces_are_cut_at_exploration() -> None:
    """With the option, a return bootstraps before an action that was not greedy."""
    q = make_values(0)
    greedy = jnp.argmax(q, -1)
    explored = greedy.at[4].set((greedy[4] + 1) % ACTIONS)
    rows = make_rows("." * SLOTS, action=explored)
    config = LossConfig(returns="n-step", n_step=SLOTS, cut_at_exploration=True)
    returns = np.asarray(target_returns(config, HYPER, rows, Values(q, None)))
    v, r = np.asarray(q.max(-1)), np.asarray(rows.reward)
    np.testing.assert_allclose(returns[3], r[3] + 0.9 * v[4], rtol=1e-4)
    np.testing.assert_allclose(returns[2], r[2] + 0.9 * (r[3] + 0.9 * v[4]), rtol=1e-4)
    whole = LossConfig(returns="n-step", n_step=SLOTS)
    assert not np.allclose(returns[3], target_returns(whole, HYPER, rows, Values(q, None))[3])


def test_average_per_transition_and_per_episode() -> None:
    """Episodes of 4 and 2 weigh by length or alike; final, last and unfinished slots do not."""
    rows = make_rows("...T.LF..")
    by_transition = np.asarray(slot_weights(LossConfig(), rows))
    counted = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0]) / 7 / ROWS
    np.testing.assert_allclose(by_transition, np.repeat(counted[:, None], ROWS, 1), rtol=1e-6)
    by_episode = np.asarray(slot_weights(LossConfig(average="episode"), rows))
    counted = np.array([1, 1, 1, 1, 2, 2, 0, 0, 0]) / 8 / ROWS
    np.testing.assert_allclose(by_episode, np.repeat(counted[:, None], ROWS, 1), rtol=1e-6)


def test_no_whole_episode_weighs_nothing() -> None:
    """As after a run of simulators has been resumed: 0, and not NaN."""
    rows = make_rows("." * SLOTS)
    np.testing.assert_array_equal(slot_weights(LossConfig(average="episode"), rows), 0.0)


def test_gradients_are_clipped_per_network() -> None:
    """A large gradient of U does not shrink Q's step."""
    env, params = envs.make("heavenhell-1")
    steps = {}
    for clip in (0.0, 1e-3):
        trainer = make_trainer(
            small("adqn", max_grad_norm=clip, adam_eps=1.0, row_length=100,
                  buffer_timesteps=2000, warmup_timesteps=500), env, params,
        )  # fmt: skip
        state = jax.jit(trainer.init)(jax.random.key(0))
        rows, own = drawn_rows(trainer, state, jax.random.key(1)), state.agent
        update = jax.jit(trainer.agent.learner.update)(
            trainer.config.hyper, own.params, own.target_params, own.opt_state, rows, state.key
        )
        new, seen = update.params, update.diagnostics
        norm = lambda a, b: float(  # noqa: E731
            jnp.sqrt(
                sum(
                    jnp.sum((x - y) ** 2)
                    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
                )
            )
        )
        steps[clip] = {m: norm(new[m], state.agent.params[m]) for m in ("q", "u")}
        assert float(seen["grad_norm_q"]) > 1e-3
        assert float(seen["grad_norm_u"]) > 1e-3
    # With Adam's eps at 1 a first step is nearly learning rate x gradient: its norm is bounded.
    rate = trainer.config.hyper.learning_rate
    for model in ("q", "u"):
        assert steps[1e-3][model] <= rate * 1e-3 * 1.01
        assert steps[1e-3][model] > rate * 1e-3 * 0.9
        assert steps[0.0][model] > steps[1e-3][model]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_precision_reaches_every_product(precision: Any) -> None:
    """Forward, backward and while acting, products ask for what was configured."""
    env, params = envs.make("heavenhell-1")
    config = small("adqn-vr", matmul_precision=precision, gru_init="uniform", row_length=100,
                   buffer_timesteps=2000, warmup_timesteps=500)  # fmt: skip
    trainer = make_trainer(config, env, params)
    state = jax.eval_shape(trainer.init, jax.random.key(0))
    text = jax.jit(lambda s: trainer.iterate(s, config.hyper, 1)).lower(state).as_text()
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    wanted = {"float32": "HIGHEST, HIGHEST", "bfloat16": "DEFAULT, DEFAULT"}[precision]
    assert len(products) > 30
    assert all(f"precision = [{wanted}]" in line for line in products)


def test_a_shared_encoder_is_that_of_q() -> None:
    """U reads what Q remembers; its loss trains that encoder, and nothing else of Q."""
    env, env_params = envs.make("heavenhell-1")
    config = small("adqn", row_length=100, buffer_timesteps=2000, warmup_timesteps=500)
    trainer = make_trainer(config.replace(history_encoders="shared"), env, env_params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    rows, params = drawn_rows(trainer, state, jax.random.key(1)), state.agent.params
    assert set(params["u"]) == {"state", "head"}

    apart = make_trainer(config, env, env_params).agent.networks
    alike = params | {"u": params["u"] | {"history": params["q"]["history"]}}
    shared = trainer.agent.networks.unroll(params, rows.inputs)
    expected = apart.unroll(alike, rows.inputs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), shared, expected)

    networks, key = trainer.agent.networks, jax.random.key(2)
    target = networks.outputs(state.agent.target_params, rows.inputs, key)
    regression = Regression(ALGORITHMS["adqn"], config.loss, HYPER, Scalar())

    def loss(of_q: Params, model: str) -> jax.Array:
        online = networks.outputs(params | {"q": of_q}, rows.inputs, key)
        return average(config.loss, rows, regression.compare(rows, online, target, None))[model]

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    for model, parts in (("q", {"history", "head"}), ("u", {"history"})):
        of_parts = gradient(params["q"], model).items()
        moved = {part for part, of in of_parts if any(map(jnp.any, jax.tree.leaves(of)))}
        assert moved == parts
