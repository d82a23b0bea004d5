"""Identities of the whole trainer: pieces and whole, one seed and many, twice the same."""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import probes
from adqn_jax import Config, SeedRunner, TrainState, envs, make_train, make_trainer, seed_keys
from adqn_jax.config import BaseConfig
from adqn_jax.types import FINAL, TERMINATED, TRUNCATED
from settings import drawn_rows, imitating, on_policy, small

SEEDS = 4
KINDS = ["off-policy", "on-policy", "imitating"]
ENV, ENV_PARAMS = envs.make("heavenhell-1")
ENV_PARAMS = dataclasses.replace(ENV_PARAMS, max_steps_in_episode=12)
CONFIG = small("adqn-vr", epsilon_end=0.5, epsilon_timesteps=300, target="periodic")
#: What draws more than the plain algorithm does, and keeps more.
DRAWING = CONFIG.replace(
    values="implicit-quantile", value_atoms=4, return_lambda=0.5, replay="prioritised",
    history="lstm", head="dueling-mean", select="online",
)  # fmt: skip
#: Rows that begin within episodes, dealt out anew, an annealed step size and a target critic.
ON_POLICY = on_policy(
    "ppo-asym", history="lstm", target="periodic", rate_end=0.5, entropy_timesteps=300,
    steps_per_iteration=2, log_every=504, total_timesteps=1000,
)  # fmt: skip
#: A student with memory, rows that begin within episodes, and everything that learns.
IMITATING = imitating(
    "a2d", history="lstm", steps_per_iteration=4, row_length=2, batch_rows=4, value_epochs=1,
    value_minibatches=2, epochs=1, buffer_timesteps=16, learning_rate=1e-3, value_rate=1e-3,
    max_kl=1e-4, damping=1.0, log_every=1008, total_timesteps=2000,
)  # fmt: skip
CONFIGS = [DRAWING, ON_POLICY, IMITATING]
Trained = tuple[BaseConfig, TrainState, Any]


def bits(tree: Any) -> Any:
    """Make a tree comparable bit for bit; NaN equals itself."""

    def of_leaf(x: Any) -> np.ndarray:
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x = jax.random.key_data(x)
        return np.frombuffer(np.asarray(x).tobytes(), np.uint8)

    return jax.tree.map(of_leaf, tree)


def assert_same_bits(one: Any, other: Any) -> None:
    """Compare trees bit for bit."""
    jax.tree.map(np.testing.assert_array_equal, bits(one), bits(other))


def assert_near(one: Any, other: Any) -> None:
    """Compare numbers but for rounding, which may be all that there is of one next to 0."""
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-5)


def train_all(config: BaseConfig) -> tuple[TrainState, Any]:
    """Train four seeds in one program."""
    train = make_train(config, ENV, ENV_PARAMS)
    return jax.jit(jax.vmap(train))(seed_keys(jax.random.key(0), SEEDS))


@pytest.fixture(scope="module", params=CONFIGS, ids=KINDS)
def whole(request: pytest.FixtureRequest) -> Trained:
    """Train four seeds in one program."""
    return request.param, *train_all(request.param)


def test_same_seed_repeats_bit_for_bit(whole: Trained) -> None:
    """The same keys give the same bits."""
    config, *trained = whole
    assert_same_bits(tuple(trained), train_all(config))


def test_seeds_differ_in_everything(whole: Trained) -> None:
    """Weights, streams, what was stored and what was learnt: no two seeds agree."""
    _, state, metrics = whole
    params, carry = state.agent.params, state.streams.carry
    for leaves in (
        [m["history"]["params"]["kernel_h"] for m in params.values() if "history" in m],
        [*jax.tree.leaves(carry.memory)],
        [losses for name, losses in metrics.items() if name.startswith("loss_")],
        [jax.random.key_data(state.key)],
    ):
        assert leaves
        for leaf in leaves:
            rows = np.asarray(leaf).reshape(SEEDS, -1)
            assert len({row.tobytes() for row in rows}) == SEEDS


def test_chunks_from_the_host_equal_one_long_scan(whole: Trained) -> None:
    """However a run is cut, the bits are those of one scan, and to rounding those of `train`."""
    config, _, of_whole = whole
    trainer = make_trainer(config, ENV, ENV_PARAMS)
    runner = SeedRunner(trainer, SEEDS, config.parts["hyper"])
    runner.compile()
    plan = trainer.plan
    assert plan.iterations_per_log > 1
    assert plan.log_points > 1
    states = runner.init(jax.random.key(0))
    first = jax.tree.map(jnp.copy, states)
    for point in range(plan.log_points):
        for length in (1, plan.iterations_per_log - 1):
            states = runner.iterate(states, length)
        metrics = runner.evaluate(states)
        # XLA rounds differently inside the nested scans of `train`.
        of_train = jax.tree.map(lambda x, p=point: x[:, p], of_whole)
        jax.tree.map(assert_near, metrics, of_train)

    iterations = plan.log_points * plan.iterations_per_log
    one_scan = runner.over_seeds(
        lambda s, hyper: trainer.iterate(s, hyper, iterations), donate=True
    )
    assert_same_bits(states, one_scan(first, runner.hyper_of_seeds))


def test_seed_alone_is_the_seed_among_others(whole: Trained) -> None:
    """Seed 2 has its own random stream whoever trains beside it; numbers differ by rounding."""
    config, states, of_all = whole
    train = make_train(config, ENV, ENV_PARAMS)
    state, metrics = jax.jit(train)(jax.random.fold_in(jax.random.key(0), 2))
    assert_same_bits(state.key, states.key[2])
    losses = [name for name in metrics if name.startswith("loss_")]
    assert losses
    for name in losses:
        np.testing.assert_allclose(metrics[name][0], of_all[name][2, 0], rtol=1e-3)
    if isinstance(config, Config):
        warm = make_trainer(config, ENV, ENV_PARAMS).plan.warmup_steps
        ours, theirs = state.agent.buffer.storage, states.agent.buffer.storage
        np.testing.assert_array_equal(ours.action[:warm], theirs.action[2, :warm])


def test_timesteps_are_counted(whole: Trained) -> None:
    """What is reported as simulated was simulated, and written to the buffer where there is one."""
    config, state, metrics = whole
    train, last = config.parts["train"], metrics["timesteps"][:, -1]
    if isinstance(config, Config):
        assert (last == state.agent.buffer.count * train.num_envs).all()
    else:
        assert (last == state.iteration * train.num_envs * train.steps_per_iteration).all()
    assert (np.diff(metrics["timesteps"]) > 0).all()
    assert (last >= train.total_timesteps).all()


def test_acting_equals_training_pass() -> None:
    """Q acted on step by step is the Q of the training pass over the same rows."""
    trainer = make_trainer(CONFIG, ENV, ENV_PARAMS)

    @jax.jit
    def both(key: jax.Array) -> tuple[jax.Array, jax.Array, Any]:
        state = trainer.init(key)
        rows = drawn_rows(trainer, state, key)

        networks = trainer.agent.networks
        who = trainer.agent.policy(state.agent)

        def act(memory: jax.Array, slot: Any) -> tuple[jax.Array, jax.Array]:
            return networks.act(who, memory, slot, key)[1:]

        memory = networks.memory(rows.inputs.start.shape[1])
        stepped = jax.lax.scan(act, memory, rows.inputs)[1]
        return stepped, trainer.agent.networks.unroll(state.agent.params, rows.inputs).q, rows

    stepped, unrolled, rows = both(jax.random.key(3))
    assert rows.inputs.start[1:].any(), "the rows must hold more than one episode"
    np.testing.assert_allclose(stepped, unrolled, atol=2e-6)


def test_stored_histories_are_those_acted_on() -> None:
    """A greedy stream's actions are the training pass's greedy actions in the slots it wrote."""
    config = small(
        "dqn", epsilon_start=0.0, epsilon_end=0.0, learning_rate=1e-12, steps_per_iteration=1
    )
    trainer = make_trainer(config, ENV, ENV_PARAMS)

    @jax.jit
    def run(key: jax.Array) -> Any:
        state = trainer.iterate(trainer.init(key), config.hyper, 120)
        rows = drawn_rows(trainer, state, key)
        return rows, trainer.agent.networks.unroll(state.agent.params, rows.inputs).q

    rows, q = run(jax.random.key(1))
    slots = np.asarray(rows.valid)
    top = np.sort(np.asarray(q), -1)
    clear = slots & (top[..., -1] - top[..., -2] > 1e-4)  # ties may fall either way
    # Warm-up slots are random: rows are drawn over all of the buffer, so look at whole rows.
    greedy = (np.asarray(rows.action) == np.asarray(q.argmax(-1))) | ~clear
    assert greedy.all(axis=0).sum() >= 1
    assert clear.sum() > slots.sum() / 2


@pytest.mark.parametrize("env", [probes.Limit(5), probes.TwoSteps()], ids=["limit", "end"])
def test_both_ends_begin_anew(env: probes.Probe) -> None:
    """After a termination, and after a truncation and its final slot, an episode starts."""
    trainer = make_trainer(small("dqn"), env, env.default_params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    written = int(state.agent.buffer.count)
    slots = jax.tree.map(lambda x: np.asarray(x[:written]), state.agent.buffer.storage)
    over = TRUNCATED if not env.terminates else TERMINATED
    period = env.length + (not env.terminates)
    time = np.arange(written)[:, None] % period + np.zeros_like(slots.time)
    np.testing.assert_array_equal(slots.time, time)
    np.testing.assert_array_equal(slots.env_state.time, time)
    np.testing.assert_array_equal(slots.end == over, time == env.length - 1)
    np.testing.assert_array_equal(slots.end == FINAL, time == env.length)
    assert (slots.reward[slots.end == FINAL] == 0).all()
    rows = trainer.agent.codec.decode(state.agent.buffer.storage)
    np.testing.assert_array_equal(rows.inputs.start[:written], time == 0)
    np.testing.assert_array_equal(rows.valid[:written], time < env.length)
    if env.terminates:
        assert not rows.truncated.any()
    else:
        assert not rows.terminated.any()


def test_random_observations_are_stored() -> None:
    """What the agent saw is what is trained on, also where it cannot be asked again."""
    env = probes.Noisy()
    trainer = make_trainer(small("dqn"), env, env.default_params)
    state = jax.jit(trainer.init)(jax.random.key(0))
    rows = drawn_rows(trainer, state, jax.random.key(1))
    assert len(np.unique(rows.inputs.observation)) == 4


@pytest.mark.parametrize(
    ("config", "online", "target"),
    [
        (small("dqn", epsilon_end=1.0), "q", "q"),
        (on_policy("a2c"), "critic", "target"),
    ],
    ids=["value", "actor-critic"],
)
def test_targets_are_copied_on_time(config: BaseConfig, online: str, target: str) -> None:
    """Targets are the networks of the last whole period of timesteps."""
    config = config.replace(target="periodic", target_period=100, steps_per_iteration=2)
    trainer = make_trainer(config, ENV, ENV_PARAMS)
    iterate = jax.jit(lambda state: trainer.iterate(state, config.parts["hyper"], 1))
    state = jax.jit(trainer.init)(jax.random.key(0))

    def kernel(of_model: Any) -> np.ndarray:
        return np.asarray(of_model["history"]["params"]["kernel_h"])

    expected = kernel(state.agent.params[online])
    copies = 0
    for _ in range(40):
        before = trainer.plan.timesteps(int(state.iteration)) // 100
        state = iterate(state)
        if trainer.plan.timesteps(int(state.iteration)) // 100 > before:
            expected = kernel(state.agent.params[online])
            copies += 1
        np.testing.assert_array_equal(kernel(state.agent.target_params[target]), expected)
    assert copies == 3


def test_hyperparameters_can_differ_between_seeds() -> None:
    """A batch of traced numbers maps over `train`; a learning rate of (almost) 0 learns nothing."""
    rates = jnp.array([1e-3, 1e-30])
    hyper = dataclasses.replace(CONFIG.hyper, learning_rate=rates)
    axes = jax.tree.map(lambda _: None, CONFIG.hyper)
    axes = dataclasses.replace(axes, learning_rate=0)
    keys = jnp.stack([jax.random.key(5)] * 2)
    state, _ = jax.jit(jax.vmap(make_train(CONFIG, ENV, ENV_PARAMS), (0, axes)))(keys, hyper)
    first = jax.jit(make_trainer(CONFIG, ENV, ENV_PARAMS).init)(keys[0]).agent.params
    moved = jax.tree.map(
        lambda new, old: jnp.abs(new - old).max(),
        state.agent.params,
        jax.tree.map(lambda x: x[None], first),
    )
    kernel = state.agent.params["q"]["history"]["params"]["kernel_h"]
    still = first["q"]["history"]["params"]["kernel_h"]
    assert np.abs(kernel[0] - still).max() > 1e-3
    np.testing.assert_allclose(kernel[1], still, atol=1e-6)
    assert jax.tree.all(jax.tree.map(jnp.isfinite, moved))


@pytest.mark.parametrize(
    "config", [small("adqn-vr"), ON_POLICY, IMITATING], ids=["value", "on-policy", "imitating"]
)
def test_x64_changes_no_dtype(config: BaseConfig) -> None:
    """Whatever JAX takes for a float, states keep theirs."""
    shapes = {}
    for wide in (False, True):
        with jax.enable_x64(wide):
            trainer = make_trainer(config, *envs.make("carflag"))
            hyper = jax.tree.map(jnp.asarray, trainer.config.hyper)  # wide, too
            state = jax.eval_shape(trainer.init, jax.random.key(0))
            state = jax.eval_shape(lambda s, h, t=trainer: t.iterate(s, h, 1), state, hyper)
            shapes[wide] = jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert shapes[False] == shapes[True]


def test_no_nans_in_a_start() -> None:
    """A run begins with JAX's NaN trap set."""
    with jax.debug_nans(True):
        jax.jit(make_trainer(small("adqn"), ENV, ENV_PARAMS).init)(jax.random.key(0))


def test_no_nans_on_policy() -> None:
    """So do start and iterations of an actor-critic."""
    trainer = make_trainer(ON_POLICY, ENV, ENV_PARAMS)

    def run(key: jax.Array) -> TrainState:
        return trainer.iterate(trainer.init(key), ON_POLICY.hyper, 2)

    with jax.debug_nans(True):
        state = jax.jit(run)(jax.random.key(0))
    assert all(np.isfinite(value) for value in state.diagnostics.values())


def test_no_nans_in_an_update() -> None:
    """An update runs with JAX's NaN trap set."""
    trainer = make_trainer(small("adqn"), ENV, ENV_PARAMS)
    state = jax.jit(trainer.init)(jax.random.key(0))
    rows, own = drawn_rows(trainer, state, jax.random.key(1)), state.agent
    with jax.debug_nans(True):
        update = jax.jit(trainer.agent.learner.update)(
            trainer.config.hyper, own.params, own.target_params, own.opt_state, rows, state.key
        )
    params = update.params
    assert all(np.isfinite(value) for value in update.diagnostics.values())
    assert jax.tree.all(jax.tree.map(lambda x: bool(jnp.isfinite(x).all()), params))


def calls_of_host(program: str) -> list[str]:
    """List what of a lowered program asks the host."""
    return re.findall(r"custom_call @(\w*(?:callback|py_func)\w*)", program)


@pytest.mark.parametrize(
    ("config", "env"),
    [*((config, ENV) for config in CONFIGS), (ON_POLICY, probes.Pictured(2))],
    ids=[*KINDS, "continuous"],
)
def test_lowers_for_accelerators(config: BaseConfig, env: Any) -> None:
    """Start, iteration and evaluation are programs for a GPU and a TPU, too; none asks the host."""
    trainer = make_trainer(config, env, ENV_PARAMS if env is ENV else env.default_params)

    def run(key: jax.Array) -> Any:
        state = trainer.iterate(trainer.init(key), config.parts["hyper"], 1)
        return trainer.evaluate(state, config.parts["hyper"])

    both = ("cuda", "tpu")
    program = jax.jit(run).trace(jax.random.key(0)).lower(lowering_platforms=both).as_text()
    assert "while" in program
    assert calls_of_host(program) == []
    asks = jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x)).lower(jnp.float32(0))
    assert calls_of_host(asks.as_text()), "a callback would be seen"


@pytest.mark.parametrize(
    "config", [small("dqn", history="none"), on_policy("a2c", history="none")],
    ids=["value", "actor-critic"],
)  # fmt: skip
def test_step_size_falls_along_a_line(config: BaseConfig) -> None:
    """An iteration halfway through a run takes the steps of a constant rate, halfway down."""
    trainer = make_trainer(config, ENV, ENV_PARAMS)
    plan, hyper = trainer.plan, config.parts["hyper"]
    iterate = jax.jit(lambda state, hyper: trainer.iterate(state, hyper, 1).agent.params)
    halfway = plan.total_timesteps // plan.timesteps_per_iteration // 2
    begun = plan.timesteps(halfway)
    state = jax.jit(trainer.init)(jax.random.key(0))
    state = dataclasses.replace(state, iteration=jnp.int32(halfway))

    falling = dataclasses.replace(hyper, rate_end=0.2)
    rate = hyper.learning_rate * (1 - 0.8 * begun / plan.total_timesteps)
    assert 0.4 * hyper.learning_rate < rate < 0.7 * hyper.learning_rate
    constant = dataclasses.replace(hyper, learning_rate=rate)
    jax.tree.map(assert_near, iterate(state, falling), iterate(state, constant))
    with pytest.raises(AssertionError):  # what would be, if nothing fell
        jax.tree.map(assert_near, iterate(state, hyper), iterate(state, constant))
    shown = trainer.agent.annealed(falling, jnp.int32(begun))["learning_rate"]
    np.testing.assert_allclose(shown, rate, rtol=1e-6)
