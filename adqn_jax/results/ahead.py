"""How far runs are ahead of a baseline: at the end, and in coming near what it ends at."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from adqn_jax.results import experiment
from adqn_jax.results.estimates import (
    LEVEL,
    chance_of_more,
    mean_difference,
    resampled_interval,
)
from adqn_jax.results.load import Result, by_algo, by_env, load_all
from adqn_jax.results.tables import Row

#: What is said of when the goal is reached.
_TIMES = ("goal", "timesteps", "baseline", "cost", "time", "least", "most")


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a timestep costs."""

    seeds: int  # that trained together
    seconds: float  # of training, for a timestep of all of them


@dataclasses.dataclass(frozen=True)
class Learner:
    """A run, the baseline's or another's, and what learning cost it."""

    run: Result
    warmup: int  # timesteps before the first gradient step, which cost hardly anything
    cost: Cost

    def reaches(self, goal: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return when the mean over so chosen seeds first reaches a goal.

        Args:
          goal: float [R].
          seeds: places of seeds, int [R, S].

        Returns:
          Timesteps, float [R]; infinite where it never does. Between log points the mean is taken
          to be a straight line.
        """
        mean, timesteps = self.run.values[:, seeds].mean(-1), self.run.timesteps  # [L, R], [L]
        reached = mean >= goal
        at, draws = reached.argmax(0), np.arange(mean.shape[1])
        before = np.maximum(at - 1, 0)
        gained = mean[at, draws] - mean[before, draws]
        # At the first log point, or after one without a number, there is no line to follow.
        share = np.divide(
            goal - mean[before, draws], gained, where=gained > 0, out=np.ones_like(gained)
        )
        when = timesteps[before] + share * (timesteps[at] - timesteps[before])
        return np.where(reached.any(0), when, np.inf)

    def spends(self, timesteps: np.ndarray) -> np.ndarray:
        """Return what learning for so long costs, seconds: warm-up is free."""
        # Who is there at once has spent a timestep.
        return np.maximum(timesteps - self.warmup, 1.0) * self.cost.seconds


def read_costs(folders: Sequence[pathlib.Path]) -> dict[tuple[str, str], Cost]:
    """Read what a timestep costs from runs, by environment and algorithm.

    It is the median, over the stretches between log points.

    Raises:
      ValueError: when a run cannot be read, has one log point only or failed seeds only, or is not
        the only one of its environment and algorithm.
    """
    found: dict[tuple[str, str], Cost] = {}
    for run in load_all(folders, "training_seconds"):
        run.check_seeds()
        if len(run.timesteps) < 2:
            raise ValueError(f"{run.folder} has one log point: what a timestep costs needs two")
        if (run.env, run.algo) in found:
            raise ValueError(f"name one run of {run.algo} on {run.env} that says what it costs")
        each = np.diff(run.values.max(1)) / np.diff(run.timesteps)
        found[run.env, run.algo] = Cost(run.seeds.size + run.failed, float(np.median(each)))
    return found


def compare(
    folders: Sequence[pathlib.Path],
    metric: str,
    baseline: str,
    share: float,
    costs: Sequence[pathlib.Path] = (),
    first: Sequence[str] = (),
) -> list[Row]:
    """Compare runs with that of the baseline on the same environment.

    Args:
      folders: run folders, one for each environment and algorithm.
      metric: a column of metrics.csv.
      baseline: the algorithm with which the others are compared.
      share: of what the baseline ends at: the goal.
      costs: run folders that say what a timestep costs; by default those compared.
      first: environments that come first.

    Returns:
      A row for each run of another algorithm. Its columns are: env, algo, seeds (its own and the
      baseline's, without those that failed). Then the difference of the mean final performances,
      with its 95 % bootstrap interval; then what `_times` says; and a verdict.

    Raises:
      ValueError: when a run cannot be read, or none can be compared.
    """
    cost, rows = read_costs(costs or folders), []
    for env, of_env in by_env(load_all(folders, metric), first).items():
        learners = {algo: _learner(run, cost) for algo, run in by_algo(of_env).items()}
        if baseline not in learners:
            raise ValueError(f"there is no run of {baseline} on {env} to compare others with")
        if len({learner.cost.seeds for learner in learners.values()}) > 1:
            raise ValueError(
                f"{env}: what a timestep costs is that of all seeds, and these runs have different "
                "numbers of them; name runs with as many by --costs"
            )
        base = learners.pop(baseline)
        rows += [_row(learner, base, share) for learner in learners.values()]
    if not rows:
        raise ValueError(f"there is no run of another algorithm than {baseline}")
    return rows


def _learner(run: Result, costs: dict[tuple[str, str], Cost]) -> Learner:
    run.check_seeds()
    if (run.env, run.algo) not in costs:
        raise ValueError(f"--costs has no run of {run.algo} on {run.env}")
    train = experiment.read(run.folder).config.parts["train"]
    return Learner(run, getattr(train, "warmup_timesteps", 0), costs[run.env, run.algo])


def _row(learner: Learner, base: Learner, share: float) -> Row:
    one, other = learner.run.final, base.run.final
    difference = mean_difference(one, other)
    times, low, high = _times(learner, base, share)
    verdicts = {
        "ends above": chance_of_more(one, other) <= LEVEL,
        "ends below": chance_of_more(other, one) <= LEVEL,
        # The interval of a single seed is a point, and shows nothing.
        "sooner": min(one.size, other.size) > 1 and high < 1,
        "later": min(one.size, other.size) > 1 and low > 1,
    }
    row: Row = {"env": learner.run.env, "algo": learner.run.algo}
    row |= {"seeds": f"{one.size}, {other.size}"}
    numbers = {"difference": difference.value, "low": difference.low, "high": difference.high}
    row |= {name: f"{number:.3f}" for name, number in numbers.items()}
    shown = ", ".join(name for name, is_shown in verdicts.items() if is_shown)
    return row | times | {"verdict": shown or "not shown"}


def _times(learner: Learner, base: Learner, share: float) -> tuple[Row, float, float]:
    """Compare what learning to the goal took.

    Returns:
      The goal; the timesteps until the mean over seeds was there, and the baseline's, or nothing;
      the cost of a timestep, as a ratio to the baseline's; the ratio of what learning cost, and its
      95 % bootstrap interval over the seeds of both. Each draw of seeds has a goal of its own. A
      ratio is infinite where a run is never there. Of a goal that is not above 0 nothing is said.
      Then the ends of the interval.
    """
    sizes = learner.run.seeds.size, base.run.seeds.size
    all_seeds = [np.arange(size)[None] for size in sizes]

    def goal(of_base: np.ndarray) -> np.ndarray:
        return share * base.run.final[of_base].mean(-1)

    def ratio(of_learner: np.ndarray, of_base: np.ndarray) -> np.ndarray:
        """Compare draws of seeds, [R, S] and [R, S'], with each other, [R]."""
        spent = (
            each.spends(each.reaches(goal(of_base), seeds))
            for each, seeds in ((learner, of_learner), (base, of_base))
        )
        mine, its = spent
        # Who is never there is not compared with one who is not, either.
        return np.divide(mine, its, where=np.isfinite(mine), out=np.full_like(mine, np.inf))

    told = goal(all_seeds[1])
    if not told.item() > 0:
        return dict.fromkeys(_TIMES, ""), np.nan, np.nan
    when = [
        each.reaches(told, seeds).item()
        for each, seeds in zip((learner, base), all_seeds, strict=True)
    ]
    low, high = resampled_interval(sizes, ratio)
    cost = learner.cost.seconds / base.cost.seconds
    values = [f"{told.item():.3f}", *("" if np.isinf(at) else round(at) for at in when)]
    values += [f"{x:.2f}" for x in (cost, ratio(*all_seeds).item(), low, high)]
    return dict(zip(_TIMES, values, strict=True)), low, high
