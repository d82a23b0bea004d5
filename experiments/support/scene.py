"""An episode in figures: a few steps side by side, or all of them one after the other."""

import dataclasses
import io
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from adqn_jax import Policy
from adqn_jax.envs.pictures import Picture, picture_of
from adqn_jax.envs.pictures.shapes import AGENT, HINT, INK
from adqn_jax.episode import Recording, record

_COLOURS = (AGENT, "#2a9d8f", "#8c6d31")  # of values, in the order in which they are named
_GIF_COLOURS = 64
_CAPTION = 0.55  # inches, for what is written above and below a drawing


@dataclasses.dataclass(frozen=True)
class Scene:
    """A recorded episode and how to draw it."""

    title: str
    picture: Picture
    recording: Recording

    @property
    def values(self) -> dict[str, np.ndarray]:
        """What the actions of each step are worth, [T, A] each, by name."""
        return {name: v for name, v in self.recording.values.items() if v.ndim == 2}

    @property
    def panels(self) -> tuple[str, ...]:
        """What is drawn of every step."""
        values = ("values of actions",) if self.values else ()
        return ("true state (hidden)", "what the agent sees", *values)

    def draw(self, axes: Iterable[Axes], t: int) -> None:
        """Draw the panels of step `t`, 0 to the episode's length."""
        state, observation, *values = axes
        shown = jax.tree.map(lambda x: x[t], (self.recording.states, self.recording.observations))
        for panel, draw, what in zip(
            (state, observation), (self.picture.state, self.picture.observation), shown,
            strict=True,
        ):  # fmt: skip
            panel.set_xlabel(draw(panel, what), fontsize=8.5)
        if told := self._of_state(t):
            state.set_xlabel("\n".join(filter(None, (state.get_xlabel(), told))), fontsize=8.5)
        for panel in values:
            self._values(panel, t)

    def caption(self, t: int) -> str:
        """Say what happens in step `t`."""
        recording = self.recording
        if t < recording.length:
            return f"step {t}: {self._named(recording.actions[t])}"
        end = "time is up" if recording.truncated else "the end"
        return f"step {t}: {end}, return {recording.rewards.sum():.4g}"

    def _of_state(self, t: int) -> str:
        """Say what is one number for all actions, such as a critic's V(h,s)."""
        if t == self.recording.length:
            return ""
        single = {n: v[t] for n, v in self.recording.values.items() if v.ndim == 1}
        return ", ".join(f"{name} = {value:.2f}" for name, value in single.items())

    def _named(self, action: np.ndarray) -> str:
        """Say an action's name, or the numbers of a continuous one."""
        if np.ndim(action) == 0:
            return self.picture.actions[action]
        return ", ".join(f"{x:.2f}" for x in action)

    def _values(self, axes: Axes, t: int) -> None:
        """Draw values as bars; the action taken is marked."""
        recording, names, given = self.recording, self.picture.actions, self.values
        every = np.concatenate(list(given.values()))
        low, high = min(every.min(), 0.0), max(every.max(), 0.0)
        pad = 0.05 * (high - low) or 1.0
        axes.set(xlim=(low - pad, high + pad), ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.axvline(0.0, color=INK, lw=0.6)
        if t == recording.length:
            axes.set_xlabel("the episode is over", fontsize=8.5)
            return
        height, at = 0.8 / len(given), np.arange(len(names)) - 0.4
        for number, (name, values) in enumerate(given.items()):
            y = at + (number + 0.5) * height
            axes.barh(y, values[t], height, color=_COLOURS[number % len(_COLOURS)], label=name)
        taken = recording.actions[t]
        axes.axhspan(
            taken - 0.5, taken + 0.5, color=HINT, alpha=0.35, lw=0, zorder=0, label="taken"
        )
        axes.get_yticklabels()[taken].set_weight("bold")
        axes.legend(
            fontsize=7.5, loc="upper center", bbox_to_anchor=(0.4, -0.1), ncols=3, frameon=False,
            columnspacing=0.8, handlelength=1.2,
        )  # fmt: skip


def strip(scene: Scene, steps: Sequence[int], dpi: int = 90) -> Image.Image:
    """Draw some steps of an episode, a column for each."""
    rows = len(scene.panels)
    width, drawing = (2.2, 2.1) if rows == 2 else (2.7, 1.9)  # names of actions need room
    heights = [drawing * aspect + _CAPTION for aspect in scene.picture.aspects]
    heights += [_bars_height(scene)] * (rows - 2)
    figure = _figure(width * len(steps) + 0.4, sum(heights) + 0.5, dpi)
    grid = figure.subplots(rows, len(steps), squeeze=False, height_ratios=heights)
    for column, t in enumerate(steps):
        scene.draw(grid[:, column], t)
        grid[0, column].set_title(scene.caption(t), fontsize=9.5)
    for axes, panel in zip(grid[:, 0], scene.panels, strict=True):
        axes.set_ylabel(
            panel.replace("the ", "the\n").replace(" (", "\n("), fontsize=9.5, weight="bold"
        )
    figure.suptitle(scene.title, fontsize=11)
    return _image(figure)


def spaced(count: int, length: int) -> list[int]:
    """Choose so many steps of an episode, evenly spaced, first and last among them."""
    return sorted(set(np.linspace(0, length, count).round().astype(int).tolist()))


def film(scene: Scene, dpi: int = 80, steps: Sequence[int] | None = None) -> list[Image.Image]:
    """Draw every step of an episode, or some of them, one after the other."""
    columns, width = len(scene.panels), 2.7
    height = width * max(scene.picture.aspects)
    if columns > 2:
        height = max(height, _bars_height(scene))
    figure = _figure(width * columns + 0.2, height + 2 * _CAPTION, dpi)
    row = figure.subplots(1, columns)
    images = []
    for t in range(scene.recording.length + 1) if steps is None else steps:
        for axes, panel in zip(row, scene.panels, strict=True):
            axes.clear()
            axes.set_title(panel, fontsize=9.5, weight="bold")
        scene.draw(row, t)
        figure.suptitle(f"{scene.title}, {scene.caption(t)}", fontsize=10.5)
        images.append(_image(figure))
        figure.set_layout_engine("none")  # as laid out in the first frame: nothing jumps
    return images


def gif(images: Sequence[Image.Image], fps: float) -> bytes:
    """Encode frames in a few colours, common to all; the last one stays for a second and a half."""
    palette = _palette(images[:: len(images) // 16 + 1])
    few = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [round(1000 / fps)] * (len(few) - 1) + [1500]
    file = io.BytesIO()
    few[0].save(
        file, "GIF", save_all=True, append_images=few[1:], duration=durations, loop=0, optimize=True
    )
    return file.getvalue()


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """Keep the most frequent colours: flat ones stay as they are, edges become coarser."""
    pixels = np.concatenate([np.asarray(image).reshape(-1, 3) for image in images])
    codes, counts = np.unique(pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1), return_counts=True)
    codes = codes[np.argsort(-counts, kind="stable")[:_GIF_COLOURS]]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).ravel().tolist())
    return palette


def make_scene(
    env: Any, env_params: Any, policy: Policy | None, seed: int, epsilon: float,
    greedy: bool | None = None,
) -> Scene:  # fmt: skip
    """Play an episode and choose how to draw it.

    Raises:
      ValueError: when there is no picture of the environment.
    """
    picture = picture_of(env, env_params)
    recording = record(jax.random.key(seed), env, env_params, policy, epsilon, greedy)
    who = policy.config.algorithm if policy else "random actions"
    return Scene(f"{env.name}, {who}", picture, recording)


def _bars_height(scene: Scene) -> float:
    """Return inches that the values of all actions need."""
    return max(1.9, 0.19 * len(scene.picture.actions)) + 0.5


def _figure(width: float, height: float, dpi: int) -> Figure:
    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def _image(figure: Figure) -> Image.Image:
    canvas = FigureCanvasAgg(figure)  # no display is needed
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
