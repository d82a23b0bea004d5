"""Partially observable environments in pure JAX, on the gymnax API, with a privileged state.

They know nothing of the trainer. `make` finds one by name; `Privileged` turns any gymnax
environment into one of them, `from_gymnax0` any of gymnax before 1.0, `from_brax` any of Brax or
MuJoCo Playground, and `FinitePOMDP` any POMDP of arrays or of a `.pomdp` file.
"""

import importlib

if __name__ == "envs":  # found as a folder of that name; what follows then imports nothing twice
    importlib.import_module("adqn_jax.envs.alias").install()

from .adapt_brax import from_brax
from .adapt_gymnax0 import from_gymnax0
from .carflag import CarFlag
from .cassandra import read_pomdp
from .cleaner import Cleaner
from .environment import PrivilegedEnvironment
from .finite import FinitePOMDP
from .foraging import Foraging
from .four_rooms import MemoryFourRooms
from .frozen_lake import FrozenLake
from .heavenhell import HeavenHell
from .mazes import draw_maze, random_maze
from .pedestrian import Pedestrian
from .pomdp import POMDP
from .registry import KNOWN, Observe, make
from .tiger_door import TigerDoor
from .wrappers import FullyObserved, Privileged

__all__ = [
    "KNOWN",
    "POMDP",
    "CarFlag",
    "Cleaner",
    "FinitePOMDP",
    "Foraging",
    "FrozenLake",
    "FullyObserved",
    "HeavenHell",
    "MemoryFourRooms",
    "Observe",
    "Pedestrian",
    "Privileged",
    "PrivilegedEnvironment",
    "TigerDoor",
    "draw_maze",
    "from_brax",
    "from_gymnax0",
    "make",
    "random_maze",
    "read_pomdp",
]
