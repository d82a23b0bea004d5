"""Partially observable environments in pure JAX, on the gymnax API, with a privileged state.

They know nothing of the trainer. `make` finds one by name; `Privileged` turns any gymnax
environment into one of them.
"""

from envs.carflag import CarFlag
from envs.cleaner import Cleaner
from envs.environment import PrivilegedEnvironment
from envs.four_rooms import MemoryFourRooms
from envs.heavenhell import HeavenHell
from envs.mazes import draw_maze, random_maze
from envs.registry import KNOWN, Observe, make
from envs.wrappers import FullyObserved, Privileged

__all__ = [
    "KNOWN",
    "CarFlag",
    "Cleaner",
    "FullyObserved",
    "HeavenHell",
    "MemoryFourRooms",
    "Observe",
    "Privileged",
    "PrivilegedEnvironment",
    "draw_maze",
    "make",
    "random_maze",
]
