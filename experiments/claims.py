"""Test what papers say of their figures on runs of any protocol: a verdict for each statement.

(a, b) On Heaven-Hell-3 and -4 adqn and adqn-vr reach the optimum, dqn, adqn-state and
adqn-state-vr do not; (c, d) on Car-Flag and Cleaner adqn and adqn-vr end above all others; (e) on
Memory-Four-Rooms adqn-vr > adqn > dqn and adqn-state > dqn, and none solves it; (f, g) but for
Memory-Four-Rooms a2c-asym and ppo-asym do not end below those with a critic V(h), and on the
Heaven-Hells and Car-Flag above those with V(s).

Prints a table and writes it: of each statement an effect size with its 95 % interval, a p-value,
corrected for the number of statements of its claim, and what follows. docs/figure1.md explains, of
critics docs/critics.md.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from scipy import stats

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax.results import metrics, tables
from adqn_jax.results.estimates import LEVEL, chance_of_more, mean_difference
from adqn_jax.results.load import by_algo, by_env, load_all
from support.paper import CLAIMS, Statement, statements

#: How far below another an algorithm may end and still not count as below, as a share of the larger
#: of both means.
MARGIN = 0.05


@dataclasses.dataclass(frozen=True)
class Tested:
    """A statement and what runs say of it."""

    statement: Statement
    seeds: str  # of each side
    effect: float  # share of seeds that solve it; or difference of mean final performances
    low: float
    high: float
    p: float  # how probably chance alone gives as much in its favour
    p_opposite: float  # the same, against it


def assess(
    statement: Statement, final: dict[str, np.ndarray], won: dict[str, np.ndarray]
) -> Tested:
    """Test a statement.

    Args:
      statement: about algorithms that have seeds here.
      final: final performance of each seed, [S], by algorithm.
      won: share of the greedy episodes that each seed won at the end, [S], by algorithm.

    Returns:
      Of two algorithms, the difference of the means, its percentile bootstrap, and an exact or, of
      many seeds, sampled permutation test of it, which of `does not end below` gives the first one
      `MARGIN`; else the share of seeds that solve the task, its
      Clopper-Pearson interval, and a binomial test of more, or less, than half.
    """
    if statement.other:
        one, other = final[statement.algo], final[statement.other]
        ahead = 0.0
        if statement.relation == "does not end below":
            ahead = MARGIN * max(abs(one.mean()), abs(other.mean()))
        difference = mean_difference(one, other)
        seeds = f"{one.size}, {other.size}"
        ends = (float(difference.low), float(difference.high))
        both = (chance_of_more(one + ahead, other), chance_of_more(other, one + ahead))
        return Tested(statement, seeds, float(difference.value), *ends, *both)
    solved = metrics.solved(won[statement.algo])
    count, size = int(solved.sum()), solved.size
    more, less = (
        float(stats.binomtest(count, size, 0.5, alternative=side).pvalue)
        for side in ("greater", "less")
    )
    both = (more, less) if statement.relation == "solves" else (less, more)
    interval = stats.binomtest(count, size).proportion_ci()
    ends = (float(interval.low), float(interval.high))
    return Tested(statement, str(size), count / size, *ends, *both)


def verdict(p: float, p_opposite: float) -> str:
    """Say whether a statement holds, its opposite does, or neither can be told."""
    if p <= LEVEL:
        return "holds"
    return "opposite" if p_opposite <= LEVEL else "not shown"


def table(folders: Sequence[pathlib.Path], metric: str) -> list[dict[str, object]]:
    """Test every statement that these runs can tell something about; a row for each."""
    final, won = (_by_env(folders, name) for name in (metric, "eval_success"))
    rows: list[dict[str, object]] = []
    for claim in CLAIMS:
        tested = [
            assess(s, final.get(s.env, {}), won[s.env])
            for s in statements()
            if s.claim == claim
            and {s.algo, s.other} - {""} <= (final if s.other else won).get(s.env, {}).keys()
        ]
        corrected = _holm([t.p for t in tested]), _holm([t.p_opposite for t in tested])
        for t, p, p_opposite in zip(tested, *corrected, strict=True):
            rows.append(
                {"claim": claim, "env": t.statement.env, "statement": str(t.statement)}
                | {"seeds": t.seeds, "effect": round(t.effect, 4)}
                | {"low": round(t.low, 4), "high": round(t.high, 4), "p": float(f"{p:.2g}")}
                | {"verdict": verdict(p, p_opposite)}
            )
    return rows


def _by_env(folders: Sequence[pathlib.Path], metric: str) -> dict[str, dict[str, np.ndarray]]:
    """Return each seed's final value, by environment and algorithm.

    A seed that failed has not won; it has no return, and is left out of the comparison of returns.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    runs = [run for run in load_all(folders, metric) if run.kind == "agent"]
    for env, of_env in by_env(runs).items():
        for algo, run in by_algo(of_env).items():
            final = run.final
            if metric == "eval_success":
                final = np.append(final, np.zeros(run.failed))
            if final.size:
                found.setdefault(env, {})[algo] = final
    return found


def _holm(p: Sequence[float]) -> list[float]:
    """Correct p-values for their number (Holm, 1979)."""
    order, corrected, least = np.argsort(p), np.zeros(len(p)), 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, (len(p) - rank) * p[at]))
        corrected[at] = least
    return [float(x) for x in corrected]


def claims(
    runs: Annotated[list[pathlib.Path], cli.Positional],
    metric: str = "eval_return",
    to: pathlib.Path = pathlib.Path("claims.csv"),
) -> None:
    """Test the papers' claims.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>, one for each environment and algorithm;
        statements about others are left out.
      metric: what `ends above` compares; behaviour_return is the paper's measure.
      to: the table to write, .csv or .md.
    """
    tables.check_writable(to)
    rows = table(runs, metric)
    if not rows:
        raise ValueError("none of the papers' claims is about these runs")
    for row in rows:
        interval = f"[{row['low']:7.3f}, {row['high']:7.3f}]"
        print(
            f"({row['claim']}) {row['env']:>21}  {row['statement']:<34} {row['verdict']:<9}", end=""
        )
        print(f"  {row['effect']:7.3f} {interval}  p {row['p']:.2g}, seeds {row['seeds']}")
    tables.write(to, rows)
    print(f"wrote {to}")


def main() -> None:
    """Test."""
    cli.parse(claims, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
