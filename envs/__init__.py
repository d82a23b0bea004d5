"""Partially observable environments in pure JAX, on the gymnax API, with a privileged state.

They know nothing of the trainer. `make` finds one by name; `Privileged` turns any gymnax
environment into one of them, `FinitePOMDP` any POMDP of arrays or of a `.pomdp` file.
"""

from envs.carflag import CarFlag
from envs.cassandra import read_pomdp
from envs.cleaner import Cleaner
from envs.environment import PrivilegedEnvironment
from envs.finite import FinitePOMDP
from envs.four_rooms import MemoryFourRooms
from envs.heavenhell import HeavenHell
from envs.mazes import draw_maze, random_maze
from envs.pomdp import POMDP
from envs.registry import KNOWN, Observe, make
from envs.wrappers import FullyObserved, Privileged

__all__ = [
    "KNOWN",
    "POMDP",
    "CarFlag",
    "Cleaner",
    "FinitePOMDP",
    "FullyObserved",
    "HeavenHell",
    "MemoryFourRooms",
    "Observe",
    "Privileged",
    "PrivilegedEnvironment",
    "draw_maze",
    "make",
    "random_maze",
    "read_pomdp",
]
