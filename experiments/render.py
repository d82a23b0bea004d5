"""Draw an episode: the true state beside what the agent sees, and what it thinks its actions are
worth.

Writes <to>.png, a few moments of the episode, and <to>.gif, all of it.
"""

import io
import pathlib
import sys

from support import cli

if __name__ == "__main__":
    cli.set_up()

from adqn_jax import envs
from adqn_jax.envs.pictures import picture_of
from adqn_jax.results import files
from adqn_jax.results.experiment import file_name
from support import players
from support.scene import film, gif, make_scene, spaced, strip


def render(
    env: str | None = None,
    policy: pathlib.Path | None = None,
    seed: int = 0,
    epsilon: float | None = None,
    actions: players.Actions | None = None,
    to: pathlib.Path | None = None,
    frames: int = 4,
    steps: tuple[int, ...] = (),
    fps: float = 6.0,
) -> None:
    """Draw an episode.

    Args:
      env: environment: carflag, heavenhell-N, cleaner, memory-four-rooms-7x7, foraging, frozenlake,
        tigerdoor or pedestrian; by default the one that the policy was trained on.
      policy: a trained seed, <run>/policy/seed-NNN.npz; without one, actions are random.
      seed: of the episode; the same seed gives the same episode.
      epsilon: probability of a random action; 0 by default, and only with a policy.
      actions: of actor-critics and imitation, the most probable or drawn ones; by default as in the
        evaluations of its run. Value-based policies are greedy.
      to: the two files without their endings, or a folder that exists, for <folder>/<env>.png and
        .gif; by default <env>.png and .gif here.
      frames: moments in the PNG, evenly spaced over the episode.
      steps: steps in the PNG, in the place of evenly spaced ones.
      fps: frames per second of the GIF.
    """
    if env is None and policy is None:
        raise ValueError("say what to draw: --env, for random actions, or --policy")
    for option, given in (("epsilon", epsilon), ("actions", actions)):
        if policy is None and given is not None:
            raise ValueError(f"--{option} needs a --policy: without one all actions are random")
    if frames < 2 or not 0 < fps <= 50:
        raise ValueError(
            f"frames must be at least 2 and fps more than 0 and at most 50, got {frames} and {fps}"
        )
    cli.check_seed(seed)
    if not 0 <= (epsilon or 0.0) <= 1:
        raise ValueError(f"epsilon must be from 0 to 1, got {epsilon}")
    if env is not None:
        picture_of(*envs.make(env))
    who = players.find(env, policy)
    paths = _paths(to, who.env_name)
    for path in paths:
        files.check_writable(path)
    greedy = players.is_greedy(actions)
    scene = make_scene(who.env, who.env_params, who.policy, seed, epsilon or 0.0, greedy)
    shown = _shown(steps, frames, scene.recording.length)
    png, film_gif = io.BytesIO(), gif(film(scene), fps)
    strip(scene, shown).save(png, "PNG", optimize=True)
    for path, content in zip(paths, (png.getvalue(), film_gif), strict=True):
        files.with_folder(path).write_bytes(content)
        print(f"wrote {path}, {len(content) / 1000:,.0f} kB")


def _shown(steps: tuple[int, ...], frames: int, length: int) -> list[int]:
    """Return the steps to show: those asked for, or `frames` of them, first and last among them."""
    if any(not 0 <= step <= length for step in steps):
        raise ValueError(f"steps must be from 0 to {length} in this episode, got {steps}")
    return sorted(set(steps)) or spaced(frames, length)


def _paths(to: pathlib.Path | None, env_name: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Return the files to write."""
    if to is None or to.is_dir():
        to = (to or pathlib.Path()) / file_name(env_name)
    stem = to.with_suffix("") if to.suffix in (".png", ".gif") else to
    return stem.with_name(stem.name + ".png"), stem.with_name(stem.name + ".gif")


def main() -> None:
    """Draw."""
    cli.parse(render, args=sys.argv[1:], description=__doc__)


if __name__ == "__main__":
    cli.run(main)
