"""Learned values against exact ones: an oracle makes no errors, and known errors are found."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_cassandra import TIGER

import envs
import exactness
from adqn_jax import make_policy, make_trainer, save_policy
from adqn_jax.tabular import belief_graph, make_comparison, optimal_values
from adqn_jax.types import Rows, Values
from envs.pomdp import heavenhell
from settings import small

MODEL = heavenhell(2, discount=0.9)
CONFIG = small(row_length=100, warmup_timesteps=500, buffer_timesteps=2_000)
GRAPH = belief_graph(MODEL)
EXACT = optimal_values(MODEL, GRAPH)


class Oracle:
    """In place of networks: finds the belief by itself and knows the exact values of it."""

    def __init__(self, *, off_q: float = 0.0, off_u: float = 0.0, has_u: bool = True):
        self.q, self.u = jnp.asarray(EXACT.q - off_q), jnp.asarray(EXACT.u + off_u)
        self.has_u = has_u

    def initial_carry(self, streams: int) -> Any:
        """The empty history."""
        return jnp.zeros((streams, 1), jnp.int32)

    def step(self, q_params: Any, carry: Any, action: Any, seen: Any, start: Any) -> Any:
        """Advance the belief; Q adds what the parameters say."""
        followed = jnp.asarray(GRAPH.successor)[carry[..., 0], action, jnp.where(start, 0, seen)]
        carry = jnp.where(start, 0, followed)[..., None]
        return carry, self.q[carry[..., 0]] + q_params

    def unroll(self, params: Any, rows: Rows) -> Values:
        """Values along rows."""

        def body(carry: Any, slot: Any) -> Any:
            carry, q = self.step(params["q"], carry, *slot)
            return carry, (carry[..., 0], q)

        inputs = (rows.action_tm1, rows.observation, rows.start)
        _, (history, q) = jax.lax.scan(body, self.initial_carry(rows.start.shape[1]), inputs)
        return Values(q=q, u=self.u[history, rows.state] if self.has_u else None)


def compare(epsilon: float = 0.0, q_params: Any = 0.0, **faults: Any) -> Any:
    """Compare an oracle in Heaven-Hell."""
    env, params = envs.make("heavenhell-2")
    trainer = make_trainer(CONFIG, env, params)
    trainer = dataclasses.replace(trainer, networks=Oracle(**faults))  # type: ignore[arg-type]
    comparison = make_comparison(trainer, GRAPH, EXACT, streams=16, epsilon=epsilon)
    return comparison({"q": q_params}, jax.random.key(0))


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_an_oracle_makes_no_errors(epsilon: float) -> None:
    """Wherever the agent goes: the histories found are those the environment showed."""
    found = compare(epsilon)
    for field in ("q_error", "u_error", "gap", "regret"):
        assert getattr(found, field) < 1e-6, field
    # Random actions end up at exits unadvised, where the state tells what the history does not.
    assert (found.exact_gap > 1e-3) == (epsilon > 0)


def test_known_errors_are_found() -> None:
    """Of Q, of U, of both, and of the policy alone."""
    found = compare(off_q=0.25, off_u=0.5)
    np.testing.assert_allclose(
        [found.q_error, found.u_error, found.gap], [0.25, 0.5, 0.75], atol=1e-6
    )
    assert found.regret < 1e-6
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
    params = jax.device_get(jax.jit(lambda key: trainer.init(key).params)(jax.random.key(0)))
    for file, name in (("tiger", f"pomdp:{path}"), ("carflag", "carflag")):
        save_policy(tmp_path / f"{file}.npz", make_policy(CONFIG, *env, params, {"env": name}))
    options: dict[str, Any] = {"epsilon": 1.0, "streams": 4, "seed": 0}
    found = exactness.compare_policy(tmp_path / "tiger.npz", **options)
    assert all(np.isfinite(value) for value in dataclasses.astuple(found))
    assert found.q_error > 10, "the values of Tiger, at discount 0.5, are those of -100 and 10"
    with pytest.raises(ValueError, match=r"is no finite POMDP: heavenhell-N and pomdp:PATH are"):
        exactness.compare_policy(tmp_path / "carflag.npz", **options)
    save_policy(tmp_path / "bare.npz", make_policy(CONFIG, *env, params, {}))
    with pytest.raises(ValueError, match="does not say on which environment"):
        exactness.compare_policy(tmp_path / "bare.npz", **options)
    with pytest.raises(ValueError, match="is no file"):
        exactness.compare_policy(tmp_path / "none.npz", **options)
