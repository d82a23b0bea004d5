"""Who acts, what is remembered, and what students and experts learn."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adqn_jax import Policy, envs, make_policy, make_train, make_trainer
from adqn_jax.envs.pomdp import heavenhell
from adqn_jax.imitation import Config, Mixture
from adqn_jax.tabular import state_values
from adqn_jax.teacher import Teacher
from policies import teacher
from settings import collect, imitating, small

NAME = "heavenhell-1"
ENV, PARAMS = envs.make(NAME, params={"max_steps_in_episode": 12})


class Table:
    """Networks whose parameters are log-probabilities of each state."""

    def memory(self, *lead: int) -> Any:
        """Nothing is remembered."""
        return ()

    def actor(self, params: Any, epsilon: Any = 0.0, greedy: Any = None) -> Any:
        """Everybody acts alike."""
        return params

    def act(self, who: Any, memory: Any, inputs: Any, key: Any) -> Any:
        """Look the state up."""
        scores = who["table"][inputs.state]
        return scores.argmax(-1), memory, scores


@functools.cache
def knows() -> Teacher:
    """Return the optimal expert, which walks to heaven; ties are uniform."""
    model = heavenhell(1)
    q = state_values(model)
    best = q >= q.max(-1, keepdims=True) - 1e-9
    with np.errstate(divide="ignore"):
        table = np.log(best / best.sum(-1, keepdims=True))
    networks: Any = Table()
    return Teacher({"table": jnp.asarray(table, jnp.float32)}, networks, False, "log-probabilities")


def train(config: Config, given: Teacher | None = None) -> tuple[Any, Any]:
    """Train one seed."""
    return jax.jit(make_train(config, ENV, PARAMS, given))(jax.random.key(0))


def test_a_teacher_of_another_environment() -> None:
    """Is refused at once, whatever it sees."""
    env, params = envs.make("carflag")
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (imitating("expert"), {}),
        (small("dqn", history="none"), {"observe": "state"}),
    ]
    for config, about in kinds:
        observe: Any = about.get("observe", "observation")
        policy = untrained_of(config, *envs.make("heavenhell-2", observe), about)
        with pytest.raises(ValueError, match="teacher does not fit the environment: its states"):
            make_trainer(imitating("ail"), env, params, policy.teacher())
        make_trainer(imitating("ail"), *envs.make("heavenhell-2"), policy.teacher())


def untrained_of(config: Any, env: Any, params: Any, about: dict[str, Any]) -> Policy:
    """Make a policy with the parameters that a run begins with."""
    trainer = make_trainer(config, env, params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    return make_policy(config, env, params, trainer.acting_params(state), about)


def test_both_ends_of_beta() -> None:
    """With β = 1 the expert acts, with 0 the student; the student remembers in either case."""
    trainer = make_trainer(imitating("a2d", history="gru", row_length=4), ENV, PARAMS)
    networks = trainer.agent.networks

    @jax.jit
    def act(key: jax.Array, beta: Any) -> Any:
        state = trainer.init(jax.random.key(1))
        params, inputs = state.agent.params, trainer.interaction.inputs(state.streams)
        sharp = jax.tree.map(lambda x: 20.0 * x, params)
        memory = networks.memory(4)

        def played(expert: Any, student: Any, beta: Any) -> Any:
            who = Mixture(expert, student, beta, 0.0, greedy=False)
            return networks.act(who, memory, inputs, key)

        both = played(sharp["expert"], sharp["student"], beta)
        return both, played(sharp["expert"], None, 1.0), played(None, sharp["student"], 0.0)

    differed = False
    for number in range(10):
        key = jax.random.key(number)
        for beta in (1.0, 0.0):
            both, expert, student = act(key, beta)
            alone = expert if beta else student
            np.testing.assert_array_equal(both[0], alone[0])
            np.testing.assert_array_equal(both[1], student[1])
            differed |= bool((expert[0] != student[0]).any())
    assert differed


def test_beta_falls() -> None:
    """It is multiplied in each iteration, and 0 once it is negligible."""
    trainer = make_trainer(imitating("a2d", beta_start=0.5, beta_decay=0.1), ENV, PARAMS)
    steps, hyper = trainer.plan.timesteps_per_iteration, trainer.config.hyper
    for iteration, beta in enumerate((0.5, 0.05, 0.005, 0.0, 0.0)):
        found = trainer.agent.annealed(hyper, jnp.int32(iteration * steps))["beta"]
        assert float(found) == pytest.approx(beta)
    once = make_trainer(imitating("ail", beta_decay=0.0), ENV, PARAMS, teacher(NAME))
    found = [once.agent.annealed(once.config.hyper, jnp.int32(i * steps)) for i in range(2)]
    assert [float(x["beta"]) for x in found] == [1.0, 0.0]


@pytest.mark.parametrize("history", ["gru", "lstm"])
def test_memories_are_those_of_the_streams(history: Any) -> None:
    """Rows cut from a rollout, with the memory before each, give what acting gave."""
    config = imitating("a2d", history=history, row_length=4)
    trainer = make_trainer(config, ENV, PARAMS)

    @jax.jit
    def run(key: jax.Array) -> Any:
        state = trainer.iterate(trainer.init(key), config.hyper, 3)
        agent = trainer.agent
        who = agent.behaviour(state.agent, config.hyper, jnp.int32(0))
        after, rollout = collect(trainer, state, who, key, 8)
        gathered, before = agent.learner.gather(state.agent.params, rollout, state.agent.memory)
        found = agent.learner.log_probs(state.agent.params, {}, gathered)["student"]

        def act(memory: Any, slot: Any) -> Any:
            _, memory, scores = agent.networks.act(who, memory, slot, key)
            return memory, scores

        last, scores = jax.lax.scan(act, state.streams.carry.memory, gathered.rows.inputs)
        return (found, scores), (last, after.streams.carry.memory), before, gathered.rows.inputs

    compared, memories, before, inputs = run(jax.random.key(0))
    assert inputs.start[1:].any()
    np.testing.assert_allclose(*compared, atol=1e-5)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), *memories)
    assert all(leaf.shape[:2] == (2, 4) for leaf in jax.tree.leaves(before))


def test_a_student_that_sees_the_state_becomes_the_expert() -> None:
    """DAgger finds heaven, at divergence next to 0; one without the state guesses (AIL)."""
    changes: dict[str, Any] = {
        "beta_decay": 0.0, "total_timesteps": 6_000, "log_every": 3_000, "epochs": 8,
        "steps_per_iteration": 16, "num_envs": 16, "buffer_timesteps": 512, "batch_rows": 64,
        "eval_episodes": 64,
    }  # fmt: skip
    _, metrics = train(imitating("dagger", **changes), knows())
    assert float(metrics["eval_return"][-1]) == 1.0
    assert float(metrics["divergence"][-1]) < 0.02
    assert float(metrics["expert_return"][-1]) == 1.0
    _, metrics = train(imitating("ail", **changes), knows())
    assert abs(float(metrics["eval_return"][-1])) < 0.5
    assert float(metrics["divergence"][-1]) > 0.1


def test_an_expert_s_parameters_may_be_arguments() -> None:
    """A compiled function of them trains as with constants."""
    given, config = knows(), imitating("dagger", total_timesteps=250)

    @jax.jit
    def run(of_expert: Teacher, key: jax.Array) -> Any:
        return make_train(config, ENV, PARAMS, of_expert)(key)[1]

    one = run(given, jax.random.key(0))
    other = train(config, given)[1]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5), one, other)


@pytest.mark.parametrize("step", ["trpo", "ppo"])
def test_an_expert_finds_heaven(step: Any) -> None:
    """RL on the state earns 1, and never moves further than it may."""
    config = imitating(
        "expert", policy_step=step, total_timesteps=20_000, log_every=10_000, num_envs=16,
        steps_per_iteration=32, value_minibatches=8, expert_epochs=4, expert_minibatches=4,
        expert_rate=3e-3, entropy="surrogate", entropy_weight=0.01, max_kl=0.02, eval_episodes=64,
    )  # fmt: skip
    state, metrics = train(config)
    assert float(metrics["eval_return"][-1]) > 0.9
    if step == "trpo":
        assert (np.asarray(metrics["kl"]) <= 0.02).all()
    policy = make_policy(config, ENV, PARAMS, {"expert": state.agent.params["expert"]}, {})
    assert policy.teacher().params.keys() == {"expert"}


def test_an_encoder_is_trained_then_frozen() -> None:
    """It learns what can be seen of the state, and the expert then acts by it alone."""
    env, params = envs.make("tigerdoor-1", params={"max_steps_in_episode": 12})
    config = imitating(
        "pre-encoder", history="gru", row_length=4, encoder_timesteps=640, total_timesteps=1280,
        log_every=640, num_envs=16, steps_per_iteration=8, value_epochs=6,
    )  # fmt: skip
    trainer = make_trainer(config, env, params)
    half = jax.jit(lambda s: trainer.iterate(s, config.hyper, 5))
    begun = jax.jit(trainer.init)(jax.random.key(0))
    first = half(begun)
    last = half(first)

    def same(name: str, *states: Any) -> bool:
        return jax.tree.all(
            jax.tree.map(lambda x, y: (x == y).all(), *(s.agent.params[name] for s in states))
        )

    assert not same("encoder", begun, first)
    assert same("expert", begun, first)
    assert same("encoder", first, last)
    assert not same("expert", first, last)
    shares = [float(s.diagnostics["loss_encoder"]) for s in (half(begun), last)]
    assert shares[1] < 0.1  # of 54 numbers, of which few are ones
    deployed = trainer.acting_params(last)
    policy = make_policy(config, env, params, deployed, {})
    observation, _ = env.reset_env(jax.random.key(0), params)
    action, carry, scores = policy.act(policy.initial_carry(), observation, jax.random.key(1))
    assert action.shape == ()
    assert scores.shape == (4,)
    assert (carry.memory != 0).any()
    with pytest.raises(ValueError, match="pre-encoder needs a state that is an array"):
        make_trainer(config, ENV, PARAMS)


def test_what_is_refused() -> None:
    """An expert where none is taken, none where one is; policies that are no experts."""
    for config, given, message in (
        (imitating("ail"), None, "ail needs an expert"),
        (imitating("a2d"), teacher(NAME), "a2d trains an expert, and takes none"),
        (small("dqn"), teacher(NAME), "dqn takes no expert"),
        (imitating("a2d", row_length=3), None, "row_length must divide"),
        (imitating("a2d", buffer_timesteps=16), None, "buffer must hold an iteration"),
        (imitating("a2d", batch_rows=65), None, "batch_rows must be at most 64"),
        (imitating("expert", value_minibatches=33), None, "value_minibatches must be at most 32"),
        (
            imitating("expert", policy_step="ppo", expert_minibatches=33),
            None,
            "expert_minibatches must be at most 32",
        ),
        (imitating("a2d", history="gru"), None, "row_length must be more than 1, or history none"),
        (imitating("pre-encoder", encoder_timesteps=31), None, "must be at least 32, an iteration"),
        (imitating("pre-encoder", encoder_timesteps=600), None, "less than total_timesteps, 600"),
    ):
        with pytest.raises(ValueError, match=message):
            make_trainer(config, ENV, PARAMS, given)
    recurrent = untrained_of(small("dqn"), ENV, PARAMS, {"observe": "state"})
    for policy, message in (
        (dataclasses.replace(recurrent, about={}), "this policy of dqn was not trained with --obs"),
        (recurrent, "an expert has no memory: this policy of dqn"),
        (untrained_of(imitating("a2d"), ENV, PARAMS, {}), "this policy of a2d was not trained"),
    ):
        with pytest.raises(ValueError, match=message):
            policy.teacher()
    by_value = untrained_of(small("dqn", history="none"), ENV, PARAMS, {"observe": "state"})
    assert by_value.teacher().scores == "values"
