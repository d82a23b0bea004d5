"""Check the theory of asymmetric DQN, and of A2D, by numbers; draw how algorithms converge.

Prints a table (statement, what was checked, error) and writes table.csv, convergence.png,
overestimation.png and, of a small trained Heaven-Hell, training.png and training.csv.
docs/theory.md explains.
"""

import dataclasses
import pathlib
import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import Config, envs, make_trainer
from adqn_jax.envs.pomdp import heavenhell
from adqn_jax.results import figures, metrics, tables
from adqn_jax.tabular import (
    Learned,
    action_value_iteration,
    belief_graph,
    optimal_values,
    policy_iteration,
    supported,
)
from support import asymmetric, beliefs, exact, occlusion, overestimation, presets, theorems


@dataclasses.dataclass(frozen=True)
class Args:
    """What to run, and for how long."""

    out: pathlib.Path = pathlib.Path("runs/theory")
    """Folder to write into."""
    episodes: int = 100_000
    """Episodes of AQL per seed."""
    seeds: int = 5
    """Seeds of AQL."""
    corridor: int = 2
    """Length of the corridors of the Heaven-Hell that is trained on."""
    timesteps: int = 250_000
    """Timesteps of that training per seed; 0: none."""
    training_seeds: int = 2
    """Seeds of that training."""


def main() -> None:
    """Run everything.

    Raises:
      ValueError: when an argument is out of its range, or a statement does not hold.
    """
    args = cli.parse(Args, description=__doc__)
    if min(args.episodes, args.seeds, args.corridor, args.training_seeds) < 1 or args.timesteps < 0:
        raise ValueError("episodes, seeds and corridor must be at least 1, timesteps at least 0")
    config = training(args)
    for name in ("table.csv", "training.csv"):
        tables.check_writable(args.out / name)
    for name in ("convergence.png", "overestimation.png", "training.png"):
        figures.check_writable(args.out / name)
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    aql, curves = theorems.learn(args.episodes, args.seeds)
    estimates, estimators = overestimation.estimators()
    doubles, learners = overestimation.learn()
    checks = [
        *theorems.beliefs(),
        *theorems.operators(),
        *theorems.greedy_operator(),
        *theorems.lemma_4_2(),
        *theorems.policy_iteration_finds_the_optimum(),
        *theorems.action_value_iteration_is_value_iteration(),
        *aql,
        *theorems.known_optima(),
        *theorems.states_mislead(),
        *beliefs.check(),
        *asymmetric.check(),
        *occlusion.check(),
        *estimates,
        *doubles,
    ]
    draw_convergence(curves, args.out / "convergence.png")
    draw_overestimation(estimators, learners, args.out / "overestimation.png")
    if args.timesteps:
        checks += trained(args, config)
    write_table(checks, args.out / "table.csv")
    print(f"{time.monotonic() - began:.0f} s; wrote {args.out}")
    if wrong := [check for check in checks if not check.holds]:
        raise ValueError(f"{wrong[0].statement} does not hold: {wrong[0].checked}")


def training(args: Args) -> Config:
    """Return what is trained on Heaven-Hell, if anything is.

    Raises:
      ValueError: when it cannot be.
    """
    config = presets.preset("fast", "heavenhell-3", "adqn-vr")
    # Errors while nothing is annealed, and Q and U share nothing, as the page shows them.
    config = config.replace(
        rate_end=1.0, return_lambda=0.97, learning_rate=5e-4, history_encoders="separate"
    )
    if args.timesteps:
        config = config.replace(total_timesteps=args.timesteps, log_every=8_000)
        make_trainer(config, *envs.make(f"heavenhell-{args.corridor}"))
    return config


def trained(args: Args, config: Config) -> list[theorems.Check]:
    """Train on Heaven-Hell, draw the errors on the way, and report the last ones."""
    name = f"heavenhell-{args.corridor}"
    rows = exact.follow_training(config, name, num_seeds=args.training_seeds, seed=0)
    table = [
        {"seed": seed} | {k: f"{v if np.ndim(v) == 0 else v[seed]:.6g}" for k, v in row.items()}
        for row in rows
        for seed in range(args.training_seeds)
    ]
    metrics.write(args.out / "training.csv", table)
    draw_training(rows, name, args.out / "training.png")
    shown = {
        "q_error": "mean |Q - Q*|, greedy histories",
        "u_error": "mean |U - U*|, true states",
        "gap": "mean |Q - E U|",
        "regret": "mean V* - Q* of the greedy action",
    }
    return [
        theorems.Check("trained network", f"{name}, adqn-vr: {what}", float(rows[-1][field].mean()))
        for field, what in shown.items()
    ]


def write_table(checks: list[theorems.Check], path: pathlib.Path) -> None:
    """Print the table, and keep it as a file."""
    print(f"{'statement':<16} {'checked':<70} {'error':>9}  bound")
    for check in checks:
        bound = "reported" if check.bound is None else f"{check.bound:g}"
        verdict = "" if check.holds else "  DOES NOT HOLD"
        print(f"{check.statement:<16} {check.checked:<70} {check.error:9.2g}  {bound}{verdict}")
    rows: list[dict[str, Any]] = [
        {"statement": check.statement, "checked": check.checked, "error": f"{check.error:.3g}"}
        | {"bound": "" if check.bound is None else check.bound}
        for check in checks
    ]
    metrics.write(path, rows)


def draw_convergence(curves: dict[str, tuple[Learned, np.ndarray]], path: pathlib.Path) -> None:
    """Draw API and AAVI on Tiger, and AQL on a random POMDP."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    computed, sampled = figure.subplots(1, 2)
    model = heavenhell(3)
    graph = belief_graph(model)
    optimum = optimal_values(model, graph).q
    shape = (graph.count, *model.reward.shape)
    u = np.random.default_rng(0).normal(size=shape) * supported(graph)[..., None]
    counts = np.arange(1, 2_001)
    for name, solution, style in (
        ("API, policies evaluated", policy_iteration(model, graph), "o-"),
        (
            "AAVI from random values, iterations",
            action_value_iteration(model, graph, u, 1_999),
            "-",
        ),
    ):
        errors = np.abs(solution.q_iterates - optimum).max((1, 2))
        computed.loglog(counts[: len(errors)], np.maximum(errors, 1e-10), style, label=name)
    bound = errors[0] * model.discount ** (counts - 1)
    computed.loglog(counts, bound, "k:", lw=1, label="γ^k ‖Q_0 - Q*‖")
    computed.set(xlabel="k + 1", ylabel="‖Q_k - Q*‖", title="heavenhell-3, γ = 0.99, no horizon")
    for name, (learned, seeds) in curves.items():
        lines = sampled.loglog(learned.episodes, np.median(seeds, axis=0), label=f"AQL {name}")
        sampled.loglog(learned.episodes, seeds.T, color=lines[0].get_color(), alpha=0.2, lw=0.8)
    sampled.set(xlabel="episodes", ylabel="‖Q - Q*‖", title="random POMDP, horizon 3")
    for axes in (computed, sampled):
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def draw_overestimation(
    found: overestimation.Estimators, learners: dict[str, overestimation.Curve], path: pathlib.Path
) -> None:
    """Draw both estimators of the best of n values, and Q-learning with one table and with two."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    estimated, learned = figure.subplots(1, 2)
    counts = np.arange(1, max(overestimation.COUNTS) + 1)
    expected = [overestimation.expected_maximum(int(n)) for n in counts]
    estimated.plot(
        counts, expected, "-", color="C0", lw=1, label="E max of n N(0,1), by quadrature"
    )
    estimated.plot(overestimation.COUNTS, found.single, "o", color="C0", label="single, drawn")
    estimated.plot(overestimation.COUNTS, found.double, "s", color="C1", label="double, drawn")
    estimated.set_xticks([1, *overestimation.COUNTS])
    estimated.set(xlabel="n", ylabel="mean estimate", title="the best of n values, all worth 0")
    for name, curve in learners.items():
        (line,) = learned.plot(curve.episodes, curve.mean, label=name)
        band = curve.mean - 2.0 * curve.error, curve.mean + 2.0 * curve.error
        learned.fill_between(curve.episodes, *band, color=line.get_color(), alpha=0.2, lw=0)
    title = f"roulette, {overestimation.BETS} bets, all worth 0"
    learned.set(xlabel="episodes", ylabel="mean Q(h_0, a)", title=title)
    for axes in (estimated, learned):
        axes.axhline(0.0, color="k", ls=":", lw=1)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def draw_training(rows: list[dict[str, np.ndarray]], name: str, path: pathlib.Path) -> None:
    """Draw a training run's errors against the exact values, single seeds faint."""
    labels = {
        "q_error": "|Q - Q*|",
        "u_error": "|U - U*|",
        "gap": "|Q - E U|",
        "regret": "V* - Q*(h, argmax Q)",
    }
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    timesteps = [row["timesteps"] for row in rows]
    for field, label in labels.items():
        values = np.array([row[field] for row in rows])  # [K, seeds]
        (line,) = axes.plot(timesteps, values.mean(1), label=label)
        axes.plot(timesteps, values, color=line.get_color(), alpha=0.25, lw=0.8)
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set(xlabel="simulated timesteps", ylabel="mean over visited histories")
    axes.set_title(f"{name}, adqn-vr: learned against exact values", fontsize="medium")
    axes.legend(fontsize="small", ncols=2, loc="upper right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    cli.run(main)
