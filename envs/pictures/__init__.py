"""Pictures of environments: the true state, and what the agent sees of it. They need matplotlib."""

from typing import Any

try:  # before the modules that draw; envs knows nothing of the trainer, whose sentence this is
    import matplotlib as _  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError(
        "the package matplotlib is not installed: pip install 'adqn-jax[results]' (in a checkout: "
        "pip install -e '.[results]')"
    ) from error

from ..carflag import CarFlag
from ..cleaner import Cleaner
from ..foraging import Foraging
from ..four_rooms import MemoryFourRooms
from ..hazards import HazardGrid
from ..heavenhell import HeavenHell
from ..pedestrian import Pedestrian
from ..wrappers import FullyObserved
from .carflag import CarFlagPicture
from .cleaner import CleanerPicture
from .foraging import ForagingPicture
from .four_rooms import FourRoomsPicture
from .hazards import HazardPicture
from .heavenhell import HeavenHellPicture
from .pedestrian import PedestrianPicture
from .picture import FullyObservedPicture, Picture

#: By the environment's class.
PICTURES: dict[type, Any] = {
    CarFlag: CarFlagPicture,
    HeavenHell: HeavenHellPicture,
    Cleaner: CleanerPicture,
    MemoryFourRooms: FourRoomsPicture,
    Foraging: ForagingPicture,
    HazardGrid: HazardPicture,
    Pedestrian: PedestrianPicture,
}


def picture_of(env: Any, env_params: Any) -> Picture:
    """Choose the picture of an environment.

    Raises:
      ValueError: when there is none.
    """
    if isinstance(env, FullyObserved):
        return FullyObservedPicture(picture_of(env.wrapped, env_params))
    for kind, picture in PICTURES.items():
        if isinstance(env, kind):
            drawn: Picture = picture(env, env_params)
            return drawn
    known = ", ".join(kind.__name__ for kind in PICTURES)
    raise ValueError(f"there is no picture of {env.name}; there are those of {known}")
