"""Rows that begin within episodes: their values, what of them is trained on, what is acted on."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probes
from adqn_jax import Trainer, envs, make_trainer
from adqn_jax.actor_critic.learner import Batch, Learner, Numbers
from adqn_jax.actor_critic.segment import Segment, make_segment
from adqn_jax.rollout import window_mean
from adqn_jax.types import TERMINATED, Rollout, TrainState
from settings import collect, on_policy

ENV, ENV_PARAMS = envs.make("heavenhell-1")
ENV_PARAMS = dataclasses.replace(ENV_PARAMS, max_steps_in_episode=7)
STEPS = 10
AIM = probes.Aim(7)
#: An environment of discrete actions, and one of continuous ones.
BOTH = {"discrete": (ENV, ENV_PARAMS), "continuous": (AIM, AIM.default_params)}


def gather(trainer: Trainer, state: TrainState, steps: int) -> tuple[TrainState, Rollout]:
    """Step the streams by the policy, without learning."""
    who = trainer.agent.behaviour(state.agent, trainer.config.hyper, jnp.int32(0))
    return collect(trainer, state, who, jax.random.fold_in(state.key, steps), steps)


@pytest.mark.parametrize(
    ("algo", "actions", "changes"),
    [
        ("ppo-asym", "discrete", {"target": "periodic"}),
        ("ppo", "discrete", {"target": "periodic", "history": "lstm"}),
        ("ppo", "continuous", {"target": "periodic"}),
        ("ppo-asym", "discrete", {"target": "none", "history_encoders": "shared"}),
    ],
    ids=str,
)
def test_a_row_within_an_episode_is_part_of_the_whole(
    algo: str, actions: str, changes: dict[str, Any]
) -> None:
    """Two rows, with what is remembered between them, have the values of one long row."""
    config = on_policy(algo, **changes)
    trainer = make_trainer(config, *BOTH[actions])
    agent = trainer.agent
    hyper = config.hyper

    @jax.jit
    def run(key: jax.Array) -> Any:
        state = trainer.init(key)
        own = state.agent
        parts, memory, batches = [], own.memory, []
        for _ in range(2):
            state, rollout = gather(trainer, state, STEPS)
            segment = make_segment(agent.codec, rollout, whole=False)
            batch, memory = agent.learner.prepare(
                hyper, own.params, own.target_params, segment, memory
            )
            parts.append(segment.rows.inputs)
            batches.append((batch.old_value, batch.old_log_prob))
        whole = jax.tree.map(lambda *x: jnp.concatenate(x), *parts)
        outputs, _ = agent.networks.unroll(own.params, whole)
        return outputs, batches, whole, batch.action

    outputs, batches, whole, action = run(jax.random.key(0))
    assert not whole.start[STEPS].all(), "some of the second rows begin within an episode"
    values = np.concatenate([value for value, _ in batches])
    np.testing.assert_allclose(values, outputs["critic"], atol=2e-6)
    log_prob = agent.networks.distribution.log_prob(outputs["actor"][STEPS:], action)
    np.testing.assert_allclose(batches[1][1], log_prob, atol=5e-6)


@pytest.mark.parametrize("actions", BOTH)
def test_acting_equals_training_pass(actions: str) -> None:
    """What is said while acting, slot by slot, is what the training pass says of the row."""
    trainer = make_trainer(on_policy("a2c"), *BOTH[actions])
    networks = trainer.agent.networks

    @jax.jit
    def both(key: jax.Array) -> Any:
        state, _ = gather(trainer, trainer.init(key), 3)  # on into the episodes
        who = networks.actor(state.agent.params, greedy=False)
        _, rollout = gather(trainer, state, STEPS)
        segment = make_segment(trainer.agent.codec, rollout, whole=False)

        def act(memory: Any, slot: Any) -> Any:
            return networks.act(who, memory, slot, key)[1:]

        stepped = jax.lax.scan(act, segment.memory, segment.rows.inputs)[1]
        params = {"actor": state.agent.params["actor"]}
        outputs, _ = networks.unroll(
            params, segment.rows.inputs, {"actor": segment.memory}
        )  # fmt: skip
        return stepped, outputs["actor"], segment.rows.inputs.start

    stepped, unrolled, start = both(jax.random.key(1))
    assert start[1:].any()
    assert not start[0].all()
    np.testing.assert_allclose(stepped, unrolled, atol=2e-6)


@pytest.mark.parametrize("env", [probes.Limit(4), probes.Memory(3)], ids=["limit", "end"])
def test_whole_episodes(env: probes.Probe) -> None:
    """Rows begin with episodes; those are trained on that the longest would have finished."""
    steps = 10
    config = on_policy("reinforce", histories="whole", steps_per_iteration=steps)
    trainer = make_trainer(config, env, env.default_params)

    @jax.jit
    def run(key: jax.Array) -> tuple[Segment, Any]:
        state = trainer.iterate(trainer.init(key), config.hyper, 1)
        streams = trainer._start(key, trainer.plan.num_envs)  # as an iteration does
        _, rollout = gather(trainer, dataclasses.replace(state, streams=streams), steps)
        return make_segment(trainer.agent.codec, rollout, whole=True), rollout.slots.end

    segment, end = run(jax.random.key(0))
    period = env.length + (not env.terminates)  # after a time limit a slot shows what followed
    begun = np.arange(steps) - np.arange(steps) % period
    inside = (begun + env.length <= steps) & (np.arange(steps) % period < env.length)
    trained = np.broadcast_to(inside[:, None], segment.trained.shape)
    np.testing.assert_array_equal(segment.trained, trained)
    if env.terminates:
        assert (np.asarray(end) == TERMINATED).sum(0).min() == inside.sum() // env.length


@pytest.mark.parametrize("histories", ["whole", "continued"])
def test_behaviour_return_prefers_no_length(histories: str) -> None:
    """Half of the episodes pay 1 after a step, half pay 0 after ten: the mean is a half."""
    env = probes.Uneven()
    config = on_policy("a2c", histories=histories, steps_per_iteration=10, num_envs=64)
    trainer = make_trainer(config, env, env.default_params)
    state = jax.jit(lambda key: trainer.iterate(trainer.init(key), config.hyper, 12))(
        jax.random.key(0)
    )
    window = state.window
    assert int(window.count) > window.returns.size
    error = 0.5 / window.returns.size**0.5
    assert abs(float(window_mean(window)) - 0.5) < 3.0 * error


def drawn_batch(algo: str, **changes: Any) -> tuple[Any, Learner, Batch, Any]:
    """Make what a gradient step trains on; its rows begin within episodes."""
    trainer = make_trainer(on_policy(algo, **changes), ENV, ENV_PARAMS)
    learner = trainer.agent.learner

    @jax.jit
    def run(key: jax.Array) -> Any:
        state, before = gather(trainer, trainer.init(key), STEPS // 2 + 1)
        state, rollout = gather(trainer, state, STEPS)
        own, hyper = state.agent, trainer.config.hyper
        begun, segment = (
            make_segment(trainer.agent.codec, of, whole=False) for of in (before, rollout)
        )
        _, memory = learner.prepare(hyper, own.params, {}, begun, own.memory)
        return learner.prepare(hyper, own.params, {}, segment, memory)[0], own

    batch, own = run(jax.random.key(0))
    return trainer, learner, batch, own


def test_the_first_step_of_ppo_is_that_of_a2c() -> None:
    """The ratio is 1, nothing is clipped, and every gradient is the same."""
    trainer, ppo, batch, own = drawn_batch("ppo-asym", normalise_advantages=True)
    a2c = dataclasses.replace(
        ppo, algorithm=dataclasses.replace(ppo.algorithm, loss="policy-gradient")
    )
    hyper, trained = trainer.config.hyper, np.asarray(batch.trained)
    advantage = np.asarray(batch.advantage)[trained]
    np.testing.assert_allclose([advantage.mean(), advantage.std()], [0.0, 1.0], atol=1e-5)

    def gradient(learner: Learner) -> Any:
        def actor(params: Any) -> jax.Array:
            return learner.losses(hyper, params, batch)["actor"]

        return jax.jit(jax.grad(actor))(own.params)

    pairs = zip(*map(jax.tree.leaves, (gradient(ppo), gradient(a2c))), strict=True)
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    update = jax.jit(functools.partial(ppo.update, hyper, Numbers(1e-3, 0.0)))
    assert not np.asarray(batch.inputs.start[0]).all()
    seen = update(own.params, own.opt_state, batch.take(jnp.array([2, 0])))[2]
    np.testing.assert_allclose([seen["clipped"], seen["kl"]], 0.0, atol=1e-6)
    assert set(seen) == set(ppo.diagnostics)


def test_a_critic_that_ignores_the_state_is_that_of_the_history() -> None:
    """V(h,s) without weights on s is V(h) with the others."""
    trainers = {a: make_trainer(on_policy(a), ENV, ENV_PARAMS) for a in ("a2c", "a2c-asym")}
    by_both = trainers["a2c-asym"].agent.networks
    state = jax.jit(trainers["a2c-asym"].init)(jax.random.key(0))
    _, rollout = gather(trainers["a2c-asym"], state, STEPS)
    inputs = make_segment(trainers["a2c-asym"].agent.codec, rollout, whole=False).rows.inputs
    critic = state.agent.params["critic"]
    width = critic["history"]["params"]["kernel_h"].shape[0]
    first = critic["head"]["params"]["Linear_0"]
    of_history = first["kernel"][:width]
    deaf = first["kernel"].at[width:].set(0.0)

    def with_kernel(kernel: jax.Array) -> Any:
        head = critic["head"]["params"] | {"Linear_0": first | {"kernel": kernel}}
        return {"critic": critic | {"head": {"params": head}}}

    ignoring, _ = by_both.unroll(with_kernel(deaf), inputs)
    alone, _ = trainers["a2c"].agent.networks.unroll(with_kernel(of_history), inputs)
    np.testing.assert_allclose(ignoring["critic"], alone["critic"], atol=1e-6)
    reading, _ = by_both.unroll({"critic": critic}, inputs)
    assert np.abs(reading["critic"] - alone["critic"]).max() > 1e-3


def test_a_shared_encoder_is_the_actor_s() -> None:
    """V reads what the actor remembers; its loss trains that encoder, and nothing else of it."""
    trainer, learner, batch, own = drawn_batch("ppo-asym", history_encoders="shared")
    params, memory, inputs = own.params, batch.memory, batch.inputs
    assert set(params["critic"]) == {"state", "head"}
    assert jax.tree.leaves(memory["critic"]) == []
    history = params["actor"]["history"]
    apart = make_trainer(on_policy("ppo-asym"), ENV, ENV_PARAMS).agent.networks
    outputs, _ = apart.unroll(
        params | {"critic": params["critic"] | {"history": history}},
        inputs,
        dict.fromkeys(("actor", "critic"), memory["actor"]),
    )
    shared, _ = trainer.agent.networks.unroll(params, inputs, memory)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), shared, outputs)

    def largest(name: str, model: str, part: str) -> float:
        def loss(of_part: Any) -> jax.Array:
            changed = params | {model: params[model] | {part: of_part}}
            return learner.losses(trainer.config.hyper, changed, batch)[name]

        gradient = jax.jit(jax.grad(loss))(params[model][part])
        return max(float(jnp.abs(x).max()) for x in jax.tree.leaves(gradient))

    assert largest("critic", "actor", "history") > 1e-4
    assert largest("actor", "actor", "history") > 1e-4
    assert largest("critic", "actor", "head") == largest("actor", "critic", "head") == 0.0


@pytest.mark.parametrize(
    ("algo", "changes", "message"),
    [
        ("reinforce", {"histories": "continued"}, "histories must be whole"),
        ("a2c", {"histories": "whole", "steps_per_iteration": 6}, "must be at least 7, got 6"),
        ("ppo", {"minibatches": 3}, "minibatches must divide num_envs, 4, got 3"),
        ("ppo", {"clip_range": 0.0}, "clip_range must be greater than 0, got 0"),
        ("a2c", {"history_encoders": "shared", "target": "periodic"}, "target must be none"),
        ("a2c", {"over_time": "median"}, "over_time must be one of sum, mean"),
    ],
)
def test_what_contradicts_itself_is_refused(algo: str, changes: Any, message: str) -> None:
    """In a sentence that says what could be."""
    with pytest.raises(ValueError, match=message):
        make_trainer(on_policy(algo, **changes), ENV, ENV_PARAMS)
