"""Choices of value-based learning: what each does to a loss, and that they go together."""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import spaces

import probes
from adqn_jax import ALGORITHMS, Hyperparameters, LossConfig, make_trainer
from adqn_jax.value import losses
from adqn_jax.value.distributions import Categorical, Quantiles, Scalar
from adqn_jax.value.networks import Outputs, Values
from adqn_jax.value.regression import Regression
from settings import as_outputs, collect, drawn_rows, scalar_losses, small
from test_adqn_jax.value.test_learner import ACTIONS, make_rows, make_values

ENV = probes.Memory()
HYPER = Hyperparameters(discount=0.9)
RAINBOW: dict[str, dict[str, Any]] = {
    "double": {"select": "online"},
    "dueling": {"head": "dueling-mean"},
    "distributional": {"values": "categorical", "value_least": -1.0, "value_most": 1.0},
    "prioritised": {"replay": "prioritised"},
    "n-step": {"returns": "n-step", "n_step": 2},
}
SUBSETS = [set(s) for n in range(6) for s in itertools.combinations(RAINBOW, n)]
OTHERS: list[dict[str, Any]] = [
    {"values": values, "return_lambda": 0.5, "head": head, "history": history}
    for values, head, history in (
        ("quantile", "dueling-max", "lstm"),
        ("implicit-quantile", "plain", "none"),
        ("particles", "dueling-mean", "gru"),
    )
] + [
    {"bootstrap": "trust-region", "values": "implicit-quantile", "head": "dueling-max"},
    {"bootstrap": "trust-region", "replay": "prioritised", "history": "none"},
    {"target": "none", "replay": "none", "replay_ratio": 1.0},
    {"target": "none", "replay": "none", "replay_ratio": 1.0, "history": "none"},
    {"target": "none", "replay": "prioritised", "values": "quantile", "select": "online"},
    {"replay": "none", "replay_ratio": 1.0, "steps_per_iteration": 3, "values": "particles"},
]


def trained(algorithm: str, iterations: int = 3, **changes: Any) -> tuple[Any, Any, Any]:
    """Train for a few iterations; return the trainer, the first state and the last."""
    trainer = make_trainer(small(algorithm, **changes), ENV, ENV.default_params)

    def run(key: jax.Array) -> Any:
        first = trainer.init(key)
        return first, trainer.iterate(first, trainer.config.hyper, iterations)

    return trainer, *jax.jit(run)(jax.random.key(0))


def assert_learns(algorithm: str, changes: dict[str, Any]) -> None:
    """Every network moves, and stays finite."""
    trainer, first, state = trained(algorithm, **changes)
    assert all(np.isfinite(x) for x in state.diagnostics.values())
    assert set(state.diagnostics) == set(trainer.agent.diagnostics)
    before, after = jax.device_get((first.agent.params, state.agent.params))
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, after)
    assert all(max(jax.tree.leaves(moved[name])) > 0.0 for name in moved)


@pytest.mark.parametrize("flags", SUBSETS, ids=lambda flags: "+".join(sorted(flags)) or "none")
def test_any_part_of_rainbow(flags: set[str]) -> None:
    """All 32 combinations of its five flags take steps; without memory, to compile soon."""
    changes = {name: value for flag in flags for name, value in RAINBOW[flag].items()}
    assert_learns("dqn", {"history": "none", **changes})


def test_all_of_rainbow() -> None:
    """Without U, and with U and every action's regression."""
    changes = {name: value for of in RAINBOW.values() for name, value in of.items()}
    for algorithm in ("dqn", "adqn-state-vr"):
        assert_learns(algorithm, changes)


@pytest.mark.parametrize("changes", OTHERS, ids=str)
def test_other_combinations(changes: dict[str, Any]) -> None:
    """Those that Rainbow does not have."""
    assert_learns("adqn", changes)


def regression(algorithm: str = "adqn", **choices: Any) -> Regression:
    """Say what the models of an algorithm regress on."""
    return Regression(ALGORITHMS[algorithm], LossConfig(**choices), HYPER, Scalar())


def test_double_selection() -> None:
    """The online Q chooses, the target U, or Q, says what that is worth."""
    rows, online, target = make_rows("." * 9), make_values(0), make_values(1)
    q, u = make_values(2), make_values(3)
    for algorithm, bootstraps in (("adqn", u), ("dqn", target)):
        has_u = algorithm == "adqn"
        both = Values(online, q if has_u else None), Values(target, u if has_u else None)
        compared = regression(algorithm, select="online").compare(
            rows, *map(as_outputs, both), None
        )
        chosen = np.asarray(online).argmax(-1)[1:, :, None]
        value = np.take_along_axis(np.asarray(bootstraps)[1:], chosen, -1)[..., 0]
        returns = np.asarray(rows.reward)[:-1] + 0.9 * value
        taken = np.take_along_axis(np.asarray(online)[:-1], rows.action[:-1, :, None], -1)[..., 0]
        np.testing.assert_allclose(compared["q"].loss, (returns - taken) ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("off", "error", "counts"),
    [
        (2.0, -1.0, True),  # too high, and drawn back
        (2.0, 1.0, False),  # too high, and drawn further
        (-2.0, 1.0, True),
        (-2.0, -1.0, False),
        (1.0, 1.0, True),  # on the border nothing is dropped
        (-1.0, -1.0, True),
        (0.5, 1.0, True),
        (0.5, -1.0, True),
    ],
)
def test_trust_region(off: float, error: float, counts: bool) -> None:
    """Far off, only errors that lead back count; the border belongs to the region."""
    before = jnp.float32(3.0)
    value = before + off
    kept = losses.in_trust_region(value, before, value + error, jnp.float32(1.0))
    assert bool(kept) == counts


def test_trust_region_in_a_loss() -> None:
    """The online values bootstrap, Q's choose; dropped transitions add nothing."""
    rows, online, target = make_rows("." * 9), make_values(0), make_values(1)
    u, u_target = make_values(2), make_values(3)
    hyper = HYPER.replace(trust_alpha=0.5)
    of = Regression(ALGORITHMS["adqn"], LossConfig(bootstrap="trust-region"), hyper, Scalar())
    both = Values(online, u), Values(target, u_target)
    got = of.compare(rows, *map(as_outputs, both), None)
    chosen = np.asarray(online).argmax(-1)[1:, :, None]
    returns = np.asarray(rows.reward)[:-1]
    returns = returns + 0.9 * np.take_along_axis(np.asarray(u)[1:], chosen, -1)[..., 0]
    for name, values, before in (("q", online, target), ("u", u, u_target)):
        taken, old = (
            np.take_along_axis(np.asarray(x)[:-1], rows.action[:-1, :, None], -1)[..., 0]
            for x in (values, before)
        )
        far = np.abs(taken - old) > 0.5 * taken.std()
        dropped = far & (np.sign(taken - old) != np.sign(taken - returns))
        assert 0 < dropped.sum() < far.sum() < far.size
        expected = np.where(dropped, 0.0, (returns - taken) ** 2)
        np.testing.assert_allclose(got[name].loss, expected, rtol=1e-4, atol=1e-6)
        # A dropped transition is as far off as it is, and its row as urgent.
        np.testing.assert_allclose(got[name].error, np.abs(returns - taken), rtol=1e-4, atol=1e-6)


def test_a_trust_region_is_as_wide_for_every_action() -> None:
    """Where Q regresses on U in all actions, the spread is that of all their values."""
    rows = make_rows("." * 9)
    q = make_values(0) * jnp.array([0.01, 1.0, 1.0, 10.0])
    u = make_values(1)
    of = regression("adqn-vr", bootstrap="trust-region")
    both = Values(q, u), Values(q + 0.1, u)  # all off by the same
    got = of.compare(rows, *map(as_outputs, both), None)
    expected = np.mean((np.asarray(u) - np.asarray(q)) ** 2, -1)[:-1]
    np.testing.assert_allclose(got["q"].loss, expected, rtol=1e-4)


def test_no_draw_both_chooses_and_values() -> None:
    """Implicit quantiles are drawn; the values that choose actions are those that act."""
    trainer, _, state = trained("adqn", values="implicit-quantile")
    rows = drawn_rows(trainer, state, jax.random.key(0))
    networks, params = trainer.agent.networks, state.agent.params
    one, two = (networks.outputs(params, rows.inputs, jax.random.key(i)) for i in range(2))
    assert np.abs(one.q - two.q).max() > 1e-4
    for outputs in (one, two):
        acting = networks.unroll(params, rows.inputs)
        jax.tree.map(np.testing.assert_array_equal, outputs.values, acting)


def test_the_values_choose() -> None:
    """And not the outputs, whatever these say."""
    rows = make_rows("." * 9, reward=jnp.zeros((9, 3)))
    shape = (*rows.action.shape, ACTIONS, 4)
    q = jax.random.normal(jax.random.key(0), shape)
    values = Values(make_values(1), None)
    of = Regression(ALGORITHMS["dqn"], LossConfig(), HYPER.replace(discount=1.0), Quantiles(4))
    outputs = Outputs(q, None, None, values)
    got = of.compare(rows, outputs, outputs, jax.random.key(2))["q"].loss[3, 1]
    best, taken = int(values.q[4, 1].argmax()), int(rows.action[3, 1])
    shares = jnp.array([0.125, 0.375, 0.625, 0.875])
    expected = losses.quantile_huber(q[3, 1, taken], shares, q[4, 1, best], 1.0)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("algorithm", ["dqn", "adqn-vr"])
def test_padding_changes_nothing(algorithm: str) -> None:
    """Episodes one to a row, padded and masked, as in DRQN, have our rows' loss and gradient.

    Rows hold episode after episode; here the same episodes stand one by one, and what fills up
    their rows is masked. The lecture's loss is the sum of squares over the number of transitions.
    """
    trainer = make_trainer(small(algorithm, row_length=18), ENV, ENV.default_params)
    length = int(ENV.default_params.max_steps_in_episode)
    state = jax.jit(trainer.init)(jax.random.key(0))
    rows = drawn_rows(trainer, state, jax.random.key(1))
    assert rows.inputs.start.shape[0] == 19
    starts = np.argwhere(np.asarray(rows.inputs.start)[:-length])

    def padded(leaf: jax.Array) -> jax.Array:
        episodes = [leaf[t : t + length, b] for t, b in starts]
        stacked = jnp.stack(episodes, 1)
        return jnp.concatenate([stacked, stacked], 0)  # anything will do: it is masked

    theirs = jax.tree.map(padded, rows)
    real = jnp.arange(2 * length)[:, None] < length
    theirs = dataclasses.replace(theirs, valid=theirs.valid & real)
    ours = dataclasses.replace(rows, valid=rows.valid & _within(rows, starts, length))

    networks, agent = trainer.agent.networks, state.agent
    other = jax.tree.map(lambda x: 0.5 * x, agent.params)

    def loss(params: Any, rows: Any) -> jax.Array:
        of = [networks.unroll(p, rows.inputs) for p in (params, other)]
        by_model = scalar_losses(algorithm, LossConfig(), HYPER, rows, *of)
        return sum(by_model.values(), jnp.float32(0.0))

    one, two = (jax.jit(jax.value_and_grad(loss))(agent.params, x) for x in (ours, theirs))
    np.testing.assert_allclose(one[0], two[0], rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), one[1], two[1])


def _within(rows: Any, starts: np.ndarray, length: int) -> jax.Array:
    """Mark the slots of the episodes that begin at `starts`."""
    marked = np.zeros(rows.valid.shape, bool)
    for t, b in starts:
        marked[t : t + length, b] = True
    return jnp.asarray(marked)


@pytest.mark.parametrize(("history", "steps"), [("gru", 3), ("lstm", 1), ("none", 3)])
def test_no_replay_trains_on_what_was_just_made(history: Any, steps: int) -> None:
    """The transitions of the last steps and no others, each with its whole history.

    With parameters that do not move, what a row says of the newest slots is what the actor saw.
    """
    trainer, _, state = trained(
        "dqn", 7, replay="none", replay_ratio=1.0, steps_per_iteration=steps, history=history,
        learning_rate=1e-12, target="none",
    )  # fmt: skip
    agent, plan = trainer.agent, trainer.plan
    assert plan.updates_per_iteration == 1
    who = agent.behaviour(state.agent, trainer.config.hyper, jnp.float32(0))
    after, rollout = collect(trainer, state, who, jax.random.key(5), steps)
    ring = agent.buffer.extend(state.agent.buffer, rollout.slots)
    rows = agent._batch(ring, None, rollout, jnp.float32(0), jax.random.key(0)).rows

    valid = np.asarray(rows.valid)
    streams = range(plan.num_envs)
    assert (valid.sum(0) == np.asarray(rollout.slots.end != 3).sum(0)).all()
    place = [np.flatnonzero(valid[:, e]) for e in streams]
    for e in streams:
        np.testing.assert_array_equal(np.diff(place[e]), 1)
        np.testing.assert_array_equal(rows.action[place[e], e], rollout.slots.action[:, e])
        np.testing.assert_array_equal(rows.reward[place[e], e], rollout.slots.reward[:, e])
    # The slot behind is the one that is acted in next.
    behind = np.array([p[-1] + 1 for p in place])
    seen = jax.tree.map(lambda x: x[behind, jnp.arange(plan.num_envs)], rows.inputs)
    jax.tree.map(np.testing.assert_array_equal, seen, trainer.interaction.inputs(after.streams))
    values = agent.networks.unroll(state.agent.params, rows.inputs).q
    slot = trainer.interaction.inputs(after.streams)
    acted = agent.networks.act(
        agent.policy(state.agent), after.streams.carry.memory, slot, jax.random.key(0)
    )[2]
    got = values[behind, jnp.arange(plan.num_envs)]
    np.testing.assert_allclose(got, acted, atol=1e-5)


def test_no_replay_reads_nothing_that_cannot_be() -> None:
    """Slots that nobody has written hold what an environment shows: masked NaN would stay NaN."""

    class Divides(probes.Constant):
        def reset_env(self, key: Any, params: Any) -> Any:
            state = super().reset_env(key, params)[1]
            state = dataclasses.replace(state, bit=state.bit + 1)  # never 0
            return self.get_obs(state), state

        def get_obs(self, state: Any, params: Any = None, key: Any = None) -> Any:
            bit = jnp.float32(state.bit)[None]
            return bit / bit

        def observation_space(self, params: Any) -> Any:
            return spaces.Box(0.0, 1.0, (1,))

    env = Divides(3)
    config = small(
        "dqn", replay="none", replay_ratio=1.0, steps_per_iteration=2, warmup_timesteps=0
    )
    trainer = make_trainer(config, env, env.default_params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    state = jax.jit(lambda s: trainer.iterate(s, config.hyper, 3))(state)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(state.agent.params))


def test_what_has_no_memory_needs_no_episodes() -> None:
    """Rows of one transition begin in any slot, and not only at episodes' starts."""
    for history, bits, anywhere in (
        *(("none", False, True), ("gru", False, False)),
        ("none", True, False),
    ):
        trainer, _, state = trained(
            "dqn", history=history, memory_bits=bits, row_length=1, batch_rows=64, replay_ratio=64.0
        )
        rows = drawn_rows(trainer, state, jax.random.key(0))
        assert (not rows.inputs.start[0].all()) == anywhere


def test_without_targets_the_networks_bootstrap_themselves() -> None:
    """The loss is that of a target network that always equals the online one, and is a constant."""
    trainer, _, state = trained("adqn", target="none")
    assert state.agent.target_params == {}
    rows = drawn_rows(trainer, state, jax.random.key(0))
    update = jax.jit(trainer.agent.learner.update)
    own, hyper, params = state.agent, trainer.config.hyper, state.agent.params
    key = jax.random.key(0)
    ours = update(hyper, params, {}, own.opt_state, rows, key)
    theirs = update(hyper, params, params, own.opt_state, rows, key)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ours, theirs)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"replay": "none"}, "with replay none, replay_ratio must be 1, got 16"),
        (
            {"replay": "none", "replay_ratio": 1.0, "average": "episode"},
            "with replay none, average must be transition",
        ),
        ({"target": "none", "eval_params": "target"}, "eval_params must be online"),
        ({"target": "none", "bootstrap": "trust-region"}, "target must be periodic or polyak"),
        ({"values": "categorical"}, "value_least must be below value_most"),
    ],
)
def test_contradictions(changes: dict[str, Any], sentence: str) -> None:
    """One sentence says what would do."""
    with pytest.raises(ValueError, match=sentence):
        make_trainer(small("adqn", **changes), ENV, ENV.default_params)


def test_values_say_what_is_regressed_on() -> None:
    """With a U, a distribution regresses on a distribution: U's atoms are Q's samples."""
    of = dataclasses.replace(regression("adqn-vr"), distribution=Quantiles(4))
    rows = make_rows("." * 9)
    shape = (*rows.action.shape, ACTIONS, 4)
    draw = [jax.random.normal(jax.random.key(i), shape) for i in range(4)]
    outputs = [Outputs(q, u, None, Values(q.mean(-1), u.mean(-1))) for q, u in (draw[:2], draw[2:])]
    got = of.compare(rows, *outputs, jax.random.key(0))
    slot, row = 3, 1
    expected = np.mean(
        [
            losses.quantile_huber(
                draw[0][slot, row, a], jnp.array([0.125, 0.375, 0.625, 0.875]),
                draw[3][slot, row, a], 1.0,
            )
            for a in range(ACTIONS)
        ]
    )  # fmt: skip
    np.testing.assert_allclose(got["q"].loss[slot, row], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [Quantiles(4), Categorical(4, -2.0, 3.0)], ids=str)
def test_distributions_read_no_share_of_u(kind: Any) -> None:
    """A mean of quantiles or logits would be no mixture: Q's targets stay those of U."""
    rows = make_rows("...T...L.")
    draw = jax.random.normal(jax.random.key(0), (4, *rows.action.shape, ACTIONS, 4))
    outputs = [
        Outputs(q, u, None, Values(kind.mean(q), kind.mean(u))) for q, u in (draw[:2], draw[2:])
    ]
    losses = [
        Regression(ALGORITHMS["adqn"], LossConfig(privileged_share=share), HYPER, kind)
        .compare(rows, *outputs, jax.random.key(1))["q"]
        .loss
        for share in (0.3, 1.0)
    ]
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize("kind", [Quantiles(4), Categorical(4, -2.0, 3.0)], ids=str)
@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_lambda_returns_of_distributions(lam: float, kind: Any) -> None:
    """Drawn lengths have, on average, the mean of the scalar lambda-return."""
    rows = make_rows("...T...L.")
    values = jax.random.normal(jax.random.key(0), (*rows.action.shape, ACTIONS, 4))
    hyper = HYPER.replace(return_lambda=lam)
    q = kind.mean(values)
    by_atoms = Regression(ALGORITHMS["dqn"], LossConfig(), hyper, kind)
    scalar = Regression(ALGORITHMS["dqn"], LossConfig(), hyper, Scalar())
    draw = jax.jit(jax.vmap(lambda key: by_atoms.returns(rows, values, q, key).mean))
    drawn = draw(jax.random.split(jax.random.key(1), 4000))
    exact = scalar.returns(rows, q, q, None).atoms
    error = 4.5 * np.asarray(drawn).std(0) / np.sqrt(4000) + 1e-5
    assert (np.abs(drawn.mean(0) - exact) < error).all()
