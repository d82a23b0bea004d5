"""What a picture of an environment is."""

from typing import Any, Protocol

from matplotlib.axes import Axes


class Picture(Protocol):
    """How an environment is drawn. Both functions draw one slot and return a caption."""

    actions: tuple[str, ...]  # their names
    aspects: tuple[float, float]  # height over width of a state's drawing, an observation's

    def state(self, axes: Axes, state: Any) -> str:
        """Draw a privileged state, an element of the environment's `privileged_state_space`."""

    def observation(self, axes: Axes, observation: Any) -> str:
        """Draw an observation."""


class FullyObservedPicture:
    """Another picture, whose true state is also what the agent sees."""

    def __init__(self, of: Picture):
        self.actions = of.actions
        self.aspects = of.aspects[0], of.aspects[0]
        self.state = self.observation = of.state
