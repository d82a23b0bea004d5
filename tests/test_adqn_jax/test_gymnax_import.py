"""What gymnax imports beside an environment's API is imported when it is used, and not before."""

import subprocess
import sys

import pytest

ABSENT = """
import sys
import {module}
loaded = [name for name in ("seaborn", "pandas", "scipy.stats", "matplotlib", "matplotlib.pyplot")
          if name in sys.modules]
"""
DRAWS = """
assert not loaded, loaded
assert "gymnax.environments.misc" not in sys.modules, "its environments are not needed yet"
import jax
jax.config.update("jax_num_cpu_devices", 3)  # nobody has looked for devices
import gymnax
from gymnax.environments import EnvParams, Pong, environment
assert EnvParams is environment.EnvParams is gymnax.EnvParams
assert gymnax.make("CartPole-v1")[0].name == "CartPole-v1"
try:
    gymnax.environments.Nothing
except AttributeError as error:
    assert "has no attribute 'Nothing'" in str(error)
else:
    raise AssertionError("there is no such environment")
assert "seaborn" not in sys.modules
from gymnax.environments.misc import pong
assert len(pong.sns.color_palette("cubehelix", 3)) == 3
assert pong.colors.to_rgb("red") == (1.0, 0.0, 0.0)
import matplotlib.figure, matplotlib.pyplot, seaborn
assert pong.plt.Figure is matplotlib.pyplot.Figure is matplotlib.figure.Figure
assert seaborn.color_palette.__module__ == "seaborn.palettes"
"""
#: Fails when a newer gymnax imports nothing of the kind: then gymnax_import.py can go. Or when it
#: leaves JAX alone: then commands need not set JAX up before they import the library.
NEEDED = """
assert "seaborn" in loaded and "matplotlib.pyplot" in loaded, loaded
import jax
try:
    jax.config.update("jax_num_cpu_devices", 3)
except RuntimeError:
    pass
else:
    raise AssertionError("importing gymnax does not look for devices")
"""


@pytest.mark.parametrize(("module", "program"), [("adqn_jax", DRAWS), ("gymnax", NEEDED)])
def test_pictures_come_later(module: str, program: str) -> None:
    """With us, and not without us."""
    program = ABSENT.format(module=module) + program
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
