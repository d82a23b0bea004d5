"""How far runs are ahead of a baseline: where they end, and how soon they come near its end."""

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from adqn_jax.results import experiment
from adqn_jax.results.estimates import mean_difference, resampled_interval
from adqn_jax.results.load import Result, by_algo, by_env, load_all
from adqn_jax.results.tables import Row

#: What is said of who is sooner.
_RACE = ("goal", "timesteps", "baseline", "cost", "time", "least", "most")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A run, and what learning costs it."""

    run: Result
    warmup: int  # timesteps before the first gradient step, which cost hardly anything
    cost: float  # seconds of training for a timestep of all seeds

    def soonest(self, goal: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Return when the mean over so chosen seeds first reaches a goal.

        Args:
          goal: float [R].
          seeds: places of seeds, int [R, S].

        Returns:
          Timesteps of learning, after warm-up, float [R]; infinite where it never does. Between
          log points the mean is taken to be a straight line.
        """
        mean = self.run.values[:, seeds].mean(-1)  # [L, R]
        reached = mean >= goal
        at, draws = reached.argmax(0), np.arange(mean.shape[1])
        before = np.maximum(at - 1, 0)
        gained = mean[at, draws] - mean[before, draws]  # 0 where it is there at the first log point
        left = np.divide(goal - mean[before, draws], gained, where=gained > 0, out=0.0 * gained)
        learning = np.maximum(self.run.timesteps - self.warmup, 0)
        when = learning[before] + left * (learning[at] - learning[before])
        return np.where(reached.any(0), when, np.inf)


def seconds_each(folders: Sequence[pathlib.Path]) -> dict[tuple[str, str], tuple[int, float]]:
    """Read what a timestep costs from runs, by environment and algorithm.

    Returns:
      The number of seeds that trained together, and the median, over the stretches between log
      points, of the seconds that a timestep of them took.

    Raises:
      ValueError: when a run cannot be read, has one log point only, or is not the only one of its
        environment and algorithm.
    """
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for run in load_all(folders, "training_seconds"):
        if len(run.timesteps) < 2:
            raise ValueError(f"{run.folder} has one log point: what a timestep costs needs two")
        if (run.env, run.algo) in found:
            raise ValueError(f"name one run of {run.algo} on {run.env} that says what it costs")
        each = np.diff(run.values.max(1)) / np.diff(run.timesteps)
        found[run.env, run.algo] = (run.seeds.size + run.failed, float(np.median(each)))
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
      A row for each run of another algorithm: env, algo, seeds (its own and the baseline's);
      difference of the mean final performances, with its 95 % bootstrap interval; goal; timesteps
      until the mean over seeds first reached it, and the baseline's, or nothing; cost of a
      timestep, as a ratio to the baseline's; time, the ratio of what learning to the goal took, its
      bootstrap interval over the seeds of both (infinite where one never gets there), and what
      follows: `ends above`, `sooner`, both or `not shown`. Of a goal that is not above 0 nothing is
      said.

    Raises:
      ValueError: when a run cannot be read, or none can be compared.
    """
    seconds = seconds_each(costs or folders)
    rows = []
    for env, of_env in by_env(load_all(folders, metric), first).items():
        runs = {name: run for name, run in by_algo(of_env).items() if run.seeds.size}
        if baseline not in runs:
            raise ValueError(f"there is no run of {baseline} on {env} to compare others with")
        contenders = {name: _contender(run, seconds) for name, run in runs.items()}
        if len({seconds[env, name][0] for name in runs}) > 1:
            raise ValueError(
                f"{env}: what a timestep costs is that of all seeds, and these runs have different "
                "numbers of them; name runs with as many by --costs"
            )
        base = contenders.pop(baseline)
        rows += [_row(one, base, share) for one in contenders.values()]
    if not rows:
        raise ValueError(f"there is no run of another algorithm than {baseline}")
    return rows


def _contender(run: Result, seconds: dict[tuple[str, str], tuple[int, float]]) -> Contender:
    if (run.env, run.algo) not in seconds:
        raise ValueError(f"--costs has no run of {run.algo} on {run.env}")
    train = experiment.read(run.folder).config.parts["train"]
    cost = seconds[run.env, run.algo][1]
    return Contender(run, getattr(train, "warmup_timesteps", 0), cost)


def _row(one: Contender, base: Contender, share: float) -> Row:
    difference = mean_difference(one.run.final, base.run.final)
    row: Row = {"env": one.run.env, "algo": one.run.algo}
    row |= {"seeds": f"{one.run.seeds.size}, {base.run.seeds.size}"}
    numbers = {"difference": difference.value, "low": difference.low, "high": difference.high}
    row |= {name: f"{number:.3f}" for name, number in numbers.items()}
    race, sooner = _race(one, base, share)
    verdicts = ["ends above"] * bool(difference.low > 0) + ["sooner"] * sooner
    return row | race | {"verdict": ", ".join(verdicts) or "not shown"}


def _race(one: Contender, base: Contender, share: float) -> tuple[Row, bool]:
    """Compare what learning to the goal took; also says whether one is sooner."""
    sizes = one.run.seeds.size, base.run.seeds.size
    cost = one.cost / base.cost

    def race(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the goal and both times, [R], for seeds [R, S] and [R, S'] of the baseline."""
        goal = share * base.run.final[others].mean(-1)
        return goal, one.soonest(goal, own), base.soonest(goal, others)

    def ratio(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        _, mine, its = race(own, others)
        # A baseline that is there at once took one timestep.
        return cost * mine / np.maximum(its, 1)

    all_seeds = [np.arange(size)[None] for size in sizes]
    goal, mine, its = (x.item() for x in race(*all_seeds))
    if goal <= 0:
        return dict.fromkeys(_RACE, ""), False
    timesteps = [
        "" if np.isinf(learning) else round(learning) + who.warmup
        for learning, who in ((mine, one), (its, base))
    ]
    low, high = resampled_interval(sizes, ratio)
    times = (f"{x:.2f}" for x in (cost, ratio(*all_seeds).item(), low, high))
    return dict(zip(_RACE, (f"{goal:.3f}", *timesteps, *times), strict=True)), high < 1
