"""Pictures as observations: the grid as the agent knows it, in tiles, with noise."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from .hazards import HazardGrid, HazardParams, HazardState

TILE = 6  # pixels
NOISE = 0.05  # standard deviation, drawn anew at each observation
FLOOR = (0.84, 0.93, 0.94)
WALL = LINE = (100 / 255,) * 3
GOAL, HAZARD, BUTTON, AGENT = (0.0, 1.0, 0.0), (0.0, 0.0, 204 / 255), (1.0, 0.0, 1.0), (1.0, 0, 0)


class HazardImages(HazardGrid):
    """A grid with goal and hazard whose observation is a picture of what the agent knows.

    Everything else is as in the grid itself, the privileged state too. An observation is float32
    [6 R, 6 R, 3] in [0, 1], R rows: walls, the goal where it does not vary, the button, the agent,
    and, once lit, what the doors are; with Gaussian noise that is drawn at each observation, so
    that what was seen must be stored.
    """

    observes_deterministically = False

    def __init__(self, grid: HazardGrid):
        super().__init__(grid.rows, grid.start, grid.placements, grid.button)
        self._grid = grid
        self._dark = self._layer(None)
        self._lit = np.array([self._layer(number) for number in range(len(self.placements))])

    @property
    def settings(self) -> dict[str, Any]:
        """The grid's, and that it is seen as a picture."""
        return {**self._grid.settings, "image": True}

    @property
    def name(self) -> str:
        """Registry name."""
        return f"{self._grid.name}:image"

    def _layer(self, placement: int | None) -> np.ndarray:
        """Draw all but the agent, float32 [P, P, 3]; what varies only where it is known."""
        marks = np.array([[WALL if c == "#" else FLOOR for c in row] for row in self.rows])
        if self.button is not None:
            marks[self.button[::-1]] = BUTTON
        for number, placed in enumerate(self.placements):
            for cells, colour in ((placed.goals, GOAL), (placed.hazards, HAZARD)):
                for cell in cells:
                    fixed = all(cell in other.goals for other in self.placements)
                    if fixed or number == placement:
                        marks[cell[::-1]] = colour
        pixels = marks.repeat(TILE, axis=0).repeat(TILE, axis=1)
        pixels[::TILE] = pixels[:, ::TILE] = LINE
        return pixels.astype(np.float32)

    def picture(self, state: HazardState, *, everything: bool) -> jax.Array:
        """Draw a state without noise, float32 [P, P, 3]: all there is, or what the agent knows."""
        shows = state.lit | everything
        pixels = jnp.where(shows, jnp.asarray(self._lit)[state.placement], jnp.asarray(self._dark))
        x, y = jnp.divmod(state.cell.astype(jnp.int32), self.n)
        corner = (TILE * (y + 1), TILE * (x + 1), jnp.int32(0))
        tile = jax.lax.dynamic_slice(pixels, corner, (TILE, TILE, 3))
        tile = jnp.where(_TRIANGLE[..., None], jnp.asarray(AGENT, jnp.float32), tile)
        return jax.lax.dynamic_update_slice(pixels, tile, corner)

    def get_obs(
        self,
        state: HazardState,
        params: HazardParams | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Draw what the agent knows, with noise where there is a key, which is consumed."""
        del params
        pixels = self.picture(state, everything=False)
        if key is None:
            return pixels
        noise = NOISE * jax.random.normal(key, pixels.shape, jnp.float32)
        return jnp.clip(pixels + noise, 0.0, 1.0)

    def reset_env(self, key: jax.Array, params: HazardParams) -> tuple[jax.Array, HazardState]:
        """Start as the grid does; `key` is consumed."""
        key_state, key_noise = jax.random.split(key)
        _, state = super().reset_env(key_state, params)
        return self.observe(key_noise, state, None, params), state

    def step_env(
        self,
        key: jax.Array,
        state: HazardState,
        action: int | float | jax.Array,
        params: HazardParams,
    ) -> tuple[jax.Array, HazardState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move as in the grid; `key` is consumed."""
        _, state, reward, terminated, info = super().step_env(key, state, action, params)
        return self.observe(key, state, action, params), state, reward, terminated, info

    def observation_space(self, params: HazardParams) -> spaces.Box:
        """A picture."""
        pixels = TILE * len(self.rows)
        return spaces.Box(0.0, 1.0, (pixels, pixels, 3))


def _triangle() -> np.ndarray:
    """Return the agent's pixels in its tile, bool [6, 6]; the tile's lines stay free."""
    row, column = np.mgrid[:TILE, :TILE]
    return (row >= 1) & (column >= 1) & (np.abs(column - 3) <= (row - 1) // 2)


_TRIANGLE = _triangle()
