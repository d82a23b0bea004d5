"""Learned values against exact ones: an oracle makes no errors, and known errors are found."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import exactness
from adqn_jax import envs, make_policy, make_trainer, save_policy
from adqn_jax.envs.pomdp import heavenhell
from adqn_jax.replay import SlotCodec
from adqn_jax.rollout import Interaction
from adqn_jax.tabular import belief_graph, make_comparison, optimal_values
from adqn_jax.types import Inputs
from adqn_jax.value.networks import Actor, Values, epsilon_greedy
from models import TIGER
from policies import save
from runs import call
from settings import small
from support import players
from support.exact import compare_policy

MODEL = heavenhell(2, discount=0.9)
CONFIG = small(row_length=100, warmup_timesteps=500, buffer_timesteps=2_000)
GRAPH = belief_graph(MODEL)
EXACT = optimal_values(MODEL, GRAPH)


class Oracle:
    """In place of networks: finds the belief by itself and knows the exact values of it."""

    def __init__(self, *, off_q: float = 0.0, off_u: float = 0.0, has_u: bool = True):
        self.q, self.u = jnp.asarray(EXACT.q - off_q), jnp.asarray(EXACT.u + off_u)
        self.has_u = has_u

    def memory(self, streams: int) -> Any:
        """The empty history."""
        return jnp.zeros((streams, 1), jnp.int32)

    def actor(self, params: Any, epsilon: float) -> Actor:
        """Q adds what the parameters say."""
        return Actor(params["q"], epsilon)

    def step(self, added: Any, memory: Any, inputs: Inputs) -> Any:
        """Advance the belief."""
        seen = jnp.where(inputs.start, 0, inputs.observation)
        followed = jnp.asarray(GRAPH.successor)[memory[..., 0], inputs.action_tm1, seen]
        memory = jnp.where(inputs.start, 0, followed)[..., None]
        return memory, self.q[memory[..., 0]] + added

    def act(self, who: Actor, memory: Any, inputs: Inputs, key: jax.Array) -> Any:
        """Act epsilon-greedily."""
        memory, q = self.step(who.q, memory, inputs)
        return epsilon_greedy(key, q, who.epsilon), memory, q

    def unroll(self, params: Any, inputs: Inputs) -> Values:
        """Values along rows."""

        def body(memory: Any, slot: Inputs) -> Any:
            memory, q = self.step(params["q"], memory, slot)
            return memory, (memory[..., 0], q)

        _, (history, q) = jax.lax.scan(body, self.memory(inputs.start.shape[1]), inputs)
        return Values(q=q, u=self.u[history, inputs.state] if self.has_u else None)


def compare(epsilon: float = 0.0, q_params: Any = 0.0, **faults: Any) -> Any:
    """Compare an oracle in Heaven-Hell."""
    env, params = envs.make("heavenhell-2")
    interaction, oracle = Interaction(SlotCodec(env, params)), Oracle(**faults)
    comparison = make_comparison(
        interaction,
        oracle,
        GRAPH,
        EXACT,
        streams=16,
        epsilon=epsilon,  # type: ignore[arg-type]
    )
    return comparison({"q": q_params}, jax.random.key(0))


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_an_oracle_makes_no_errors(epsilon: float) -> None:
    """Wherever the agent goes: the histories found are those the environment showed."""
    found = compare(epsilon)
    for field in ("q_error", "u_error", "gap", "regret", "overestimation"):
        assert abs(getattr(found, field)) < 1e-6, field
    # Random actions end up at exits unadvised, where the state tells what the history does not.
    assert (found.exact_gap > 1e-3) == (epsilon > 0)


def test_known_errors_are_found() -> None:
    """Of Q, of U, of both, and of the policy alone."""
    found = compare(off_q=0.25, off_u=0.5)
    np.testing.assert_allclose(
        [found.q_error, found.u_error, found.gap], [0.25, 0.5, 0.75], atol=1e-6
    )
    assert found.regret < 1e-6
    assert found.overestimation == pytest.approx(-0.25, abs=1e-6)
    stubborn = compare(q_params=jnp.array([9.0, 0.0, 0.0, 0.0]))  # goes north for ever
    assert stubborn.q_error == pytest.approx(9 / 4, abs=1e-6)
    # Two steps lead to the junction, where north is blocked, for the 98 steps left.
    lost = EXACT.q.max(-1) - EXACT.q[:, 0]
    seen = GRAPH.successor[:, 0]
    below, junction = seen[0, 1], seen[seen[0, 1], 2]
    expected = (lost[0] + lost[below] + 98 * lost[junction]) / 100
    assert stubborn.regret == pytest.approx(expected, abs=1e-6)
    assert expected > 1e-2


def test_without_u() -> None:
    """Dqn has errors of Q only."""
    found = compare(has_u=False)
    assert found.q_error < 1e-6
    assert np.isnan(found.u_error)
    assert np.isnan(found.gap)


def test_saved_policies(tmp_path: pathlib.Path) -> None:
    """A file says all that is needed, of a .pomdp too; what is no finite POMDP is refused."""
    path = tmp_path / "tiger.pomdp"
    path.write_text(TIGER)
    env = envs.make(f"pomdp:{path}")
    trainer = make_trainer(CONFIG, *env)
    params = jax.device_get(jax.jit(lambda key: trainer.init(key).agent.params)(jax.random.key(0)))
    about = {"env": f"pomdp:{path}"}
    save_policy(tmp_path / "tiger.npz", make_policy(CONFIG, *env, params, about))
    options: dict[str, Any] = {"epsilon": 1.0, "streams": 4, "seed": 0}
    found = compare_policy(players.find(None, tmp_path / "tiger.npz"), **options)
    assert all(np.isfinite(value) for value in dataclasses.astuple(found))
    assert found.q_error > 10, "the values of Tiger, at discount 0.5, are those of -100 and 10"
    save(tmp_path / "carflag.npz")
    with pytest.raises(ValueError, match=r"is no finite POMDP: heavenhell-N and pomdp:PATH are"):
        compare_policy(players.find(None, tmp_path / "carflag.npz"), **options)


def test_bad_input(tmp_path: pathlib.Path) -> None:
    """One sentence on stderr, exit code 2: of files, and of agents that see the state."""
    env = envs.make("heavenhell-1", "state")
    trainer = make_trainer(CONFIG, *env)
    params = jax.device_get(jax.jit(lambda key: trainer.init(key).agent.params)(jax.random.key(0)))
    about = {"env": "heavenhell-1", "observe": "state"}
    for name, said in (("bare", {}), ("state", about)):
        save_policy(tmp_path / f"{name}.npz", make_policy(CONFIG, *env, params, said))
    for name, message in {
        "bare": "does not say on what",
        "none": "is no file",
        "state": "an agent that does not see the state",
    }.items():
        ended = call(exactness.main, str(tmp_path / f"{name}.npz"))
        assert (ended.code, message in ended.err) == (2, True), ended.err
