"""Draw learning curves of run folders: mean and standard error over seeds, single seeds faint."""

import pathlib
import sys
from typing import Annotated

import matplotlib
import numpy as np
import tyro

import cli
from records import read

matplotlib.use("Agg")  # no display is needed
from matplotlib import pyplot


def curve(folder: pathlib.Path) -> None:
    """Draw a run's curve into its own folder, curve.png."""
    draw([folder], folder / "curve.png")


def draw(folders: list[pathlib.Path], to: pathlib.Path) -> None:
    """Draw the greedy return of several runs into one picture.

    Raises:
      ValueError: when a folder holds no metrics.csv.
    """
    figure, axes = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    for number, folder in enumerate(folders):
        if not (folder / "metrics.csv").is_file():
            raise ValueError(f"{folder} holds no run: it has no metrics.csv")
        metrics = read(folder / "metrics.csv")
        timesteps, returns = metrics["timesteps"][:, 0], metrics["eval_return"]
        colour = f"C{number}"
        axes.plot(timesteps, returns, color=colour, alpha=0.15, linewidth=0.8)
        failed = metrics.get("failed", np.zeros_like(returns)).any(0)
        returns = returns[:, ~failed]
        seeds = returns.shape[1]
        if seeds > 1:
            mean, error = returns.mean(1), returns.std(1, ddof=1) / np.sqrt(seeds)
            axes.fill_between(timesteps, mean - error, mean + error, color=colour, alpha=0.35, lw=0)
        env, algo = folder.resolve().parts[-3:-1]
        label = f"{algo}, {env} ({seeds} seeds{', others failed' if failed.any() else ''})"
        mean = returns.mean(1) if seeds else np.full(len(timesteps), np.nan)
        axes.plot(timesteps, mean, color=colour, label=label)
    axes.set_xlabel("simulated timesteps per seed")
    axes.set_ylabel("greedy return, undiscounted")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(to, dpi=150)
    pyplot.close(figure)


def main(
    runs: Annotated[list[pathlib.Path], tyro.conf.Positional],
    to: pathlib.Path = pathlib.Path("curves.png"),
) -> None:
    """Draw learning curves.

    Args:
      runs: run folders, <out>/<env>/<algo>/<name>.
      to: the picture to write.
    """
    if not runs:
        raise ValueError("name at least one run folder, <out>/<env>/<algo>/<name>")
    endings = sorted(matplotlib.backend_bases.FigureCanvasBase.get_supported_filetypes())
    if to.suffix[1:] not in endings:
        raise ValueError(f"--to must end in .{', .'.join(endings)}, got {to}")
    draw(runs, to)
    print(f"wrote {to}")


if __name__ == "__main__":
    cli.run(lambda: cli.parse(main, args=sys.argv[1:], description=__doc__))
