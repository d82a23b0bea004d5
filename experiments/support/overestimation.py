"""Overestimation: the best of noisy values looks better than it is, unless another one judges it.

Hasselt, "Double Q-learning" (NeurIPS 2010); Boehmer, "Advanced DQN" (lecture, 2023).
"""

import dataclasses

import numpy as np
from scipy import integrate, stats

from adqn_jax.envs.pomdp import POMDP
from adqn_jax.tabular import history_tree, q_learning
from adqn_jax.tabular.q_learning import Bootstrap
from support.theorems import Check

#: What the table calls all of this.
_NAME = "overestimation"
#: Numbers of values that one is the best of; draws of each; and how far a mean of so many may lie
#: from what is expected, four and a half standard errors of the one that varies most.
COUNTS, _DRAWS, _BOUND = (2, 5, 10, 20), 200_000, 0.01
#: Tabular Q-learning: bets to choose from, seeds, episodes, and how far from 0 the mean of those
#: seeds may be if 0 is expected.
BETS, SEEDS, EPISODES, _UNBIASED = 10, 100, 2_000, 0.04
#: What is learned: a name, the value in the target, and whether there are two tables.
_LEARNERS: tuple[tuple[str, Bootstrap, bool], ...] = (
    ("Q-learning", "q", False),
    ("double Q-learning", "q", True),
    ("AQL", "u", False),
    ("double AQL", "u", True),
)


@dataclasses.dataclass(frozen=True)
class Estimators:
    """What both estimators say of the best of n values that are worth 0; n from `COUNTS`, [C]."""

    exact: np.ndarray  # E max_i x_i; the double estimator's mean is 0
    single: np.ndarray  # mean of max_i x_i
    double: np.ndarray  # mean of y_i at i = argmax_i x_i


@dataclasses.dataclass(frozen=True)
class Curve:
    """What one learner thinks of the roulette, which is worth 0; K snapshots."""

    episodes: np.ndarray  # [K]
    mean: np.ndarray  # [K] of Q(h_0, ·), over actions and seeds
    error: np.ndarray  # [K] standard error of that mean, over seeds


def expected_maximum(n: int) -> float:
    """Return E max of n independent N(0,1), ∫ x n φ(x) Φ(x)^(n-1) dx, by quadrature."""

    def integrand(x: float) -> float:
        return float(x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1))

    return float(integrate.quad(integrand, -10.0, 10.0)[0])


def estimators() -> tuple[list[Check], Estimators]:
    """Draw values that are N(0,1) and compare the best one's with its expectation."""
    rng = np.random.default_rng(0)
    single, double = [], []
    for n in COUNTS:
        chosen, judge = rng.normal(size=(2, _DRAWS, n))
        best = chosen.argmax(-1)[:, None]
        single.append(np.take_along_axis(chosen, best, axis=-1).mean())
        double.append(np.take_along_axis(judge, best, axis=-1).mean())
    exact = np.array([expected_maximum(n) for n in COUNTS])
    found = Estimators(exact, np.array(single), np.array(double))
    checks = [
        Check(_NAME, f"E max of {n} N(0,1) = {e:.4f}, single estimator: |mean - it|", d, _BOUND)
        for n, e, d in zip(COUNTS, exact, np.abs(found.single - exact), strict=True)
    ]
    checked = f"the same, {', '.join(map(str, COUNTS))}, double estimator: largest |mean - 0|"
    return [*checks, Check(_NAME, checked, float(np.abs(found.double).max()), _BOUND)], found


def roulette(bets: int) -> POMDP:
    """Build a game in which every action wins or loses 1 by a coin that only the state shows.

    Each step tosses it anew, so that Q*(h,a) = 0 for all histories, at a discount of 1.
    """
    return POMDP(
        transition=np.full((2, bets, 2), 0.5),
        observation=np.ones((bets, 2, 1)),
        reward=np.repeat([[1.0], [-1.0]], bets, axis=1),
        start=np.full(2, 0.5),
        discount=1.0,
        name="roulette",
    )


def learn() -> tuple[list[Check], dict[str, Curve]]:
    """Play two rounds of roulette with each learner, and three with all but the last."""
    checks, curves = [], {}
    for name, bootstrap, double in _LEARNERS:
        curve = curves[name] = _play(bootstrap, double, rounds=2)
        checked = f"{name}, roulette, {BETS} bets, 2 rounds: |mean Q(h_0,a) - 0|"
        checks.append(Check(_NAME, checked, abs(curve.mean[-1]), _UNBIASED if double else None))
    single = curves["Q-learning"]
    exceeds = float(single.mean[-1] > 10.0 * single.error[-1])
    checked = "Q-learning there: too high by more than ten standard errors"
    checks.append(Check(_NAME, checked, 1.0 - exceeds, 0))
    for name, bootstrap, double in _LEARNERS[:3]:
        longer = _play(bootstrap, double, rounds=3)
        checked = f"{name}, the same, 3 rounds: |mean Q(h_0,a) - 0|"
        checks.append(Check(_NAME, checked, abs(longer.mean[-1])))
    return checks, curves


def _play(bootstrap: Bootstrap, double: bool, rounds: int) -> Curve:
    model = roulette(BETS)
    learned = q_learning(
        model,
        history_tree(model, rounds),
        np.arange(SEEDS),
        episodes=EPISODES,
        bootstrap=bootstrap,
        double=double,
    )
    values = learned.q[:, :, 0].mean(-1)  # [S', K]
    return Curve(learned.episodes, values.mean(0), values.std(0, ddof=1) / np.sqrt(SEEDS))
