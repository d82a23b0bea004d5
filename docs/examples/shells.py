"""Shells: a ball lies under one of three shells, which are swapped; find it at the end."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

SWAPS = ((0, 1), (0, 2), (1, 2))


class Shells(gymnasium.Env):
    """The ball is seen at first, then swaps are; after the last one, pointing at it pays 1."""

    observation_space = spaces.Discrete(6)  # ball under shell 0, 1, 2; swap 0, 1, 2
    action_space = spaces.Discrete(3)  # point at a shell; counts after the last swap only
    state_space = spaces.MultiDiscrete([3, 5])  # where the ball is, how many swaps there were

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._ball, self._swaps = int(self.np_random.integers(3)), 0
        return self._ball, {"state": self._state()}

    def step(self, action: int) -> Any:
        over = self._swaps == 4
        right = over and action == self._ball
        swap = int(self.np_random.integers(3))
        if not over:
            self._swaps += 1
            if self._ball in SWAPS[swap]:
                self._ball = sum(SWAPS[swap]) - self._ball
        info = {"state": self._state(), "is_success": right}
        return 3 + swap, float(right), over, False, info

    def _state(self) -> np.ndarray:
        return np.array([self._ball, self._swaps])


gymnasium.register("Shells-v0", Shells, max_episode_steps=10)
