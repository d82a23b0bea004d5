"""Episodes of a run's policies, as pictures that a page can hold."""

import dataclasses
import io
import pathlib

import numpy as np

from adqn_jax.results.load import Result
from support import players
from support.scene import Scene, film, gif, make_scene, spaced, strip

#: What bounds a page: frames of a film, and bytes of an episode's film and moments together.
FRAMES, BYTES = 60, 1_500_000
_MOMENTS = 4
_FPS = 6.0
_POLICIES = "policy"


@dataclasses.dataclass(frozen=True)
class Episode:
    """An episode in pictures."""

    seed: int  # of the run, whose policy acts
    caption: str
    film: bytes  # GIF; empty where even a short one would be too large
    moments: bytes  # PNG


def typical(run: Result) -> int | None:
    """Choose, of the seeds that have a policy, the one in the middle by final performance.

    Returns:
      Its number; None where no seed has a policy.
    """
    kept = [i for i, seed in enumerate(run.seeds) if _file(run, seed).is_file()]
    kept.sort(key=lambda i: run.final[i])
    return int(run.seeds[kept[len(kept) // 2]]) if kept else None


def play(run: Result, key: int) -> Episode:
    """Play an episode with the policy of the run's typical seed, and draw it.

    Args:
      run: it has policies.
      key: of the episode; the same gives the same episode.

    Raises:
      ValueError: when it cannot be drawn: there is no picture of the environment, say.
      OSError: when the policy cannot be read.
    """
    seed = typical(run)
    assert seed is not None, "look whether it has policies"
    who = players.find(None, _file(run, seed))
    scene = make_scene(who.env, who.env_params, who.policy, key, 0.0)
    moments = io.BytesIO()
    length = scene.recording.length
    strip(scene, spaced(_MOMENTS, length)).save(moments, "PNG", optimize=True)
    told = f"{length} steps, return {scene.recording.rewards.sum():.4g}"
    return Episode(seed, told, _film(scene, BYTES - moments.tell()), moments.getvalue())


def _film(scene: Scene, most: int) -> bytes:
    """Draw a film of at most so many bytes, with fewer frames if need be; none if that is not
    enough.
    """
    *frames, last = film(scene, steps=spaced(FRAMES, scene.recording.length))
    for every in (1, 2, 4, 8):
        made = gif([*frames[::every], last], _FPS / every)
        if len(made) <= most:
            return made
    return b""


def _file(run: Result, seed: np.integer | int) -> pathlib.Path:
    return run.folder / _POLICIES / f"seed-{seed:03d}.npz"
