"""Environments that cannot be compiled: the host steps them beside the compiled agent.

What acts, what learns, what is kept and what is written are those of compiled environments; only
the loop over steps is the host's. Nothing compiled calls back.
"""

from adqn_jax.host.fleet import EnvironmentFailure
from adqn_jax.host.meter import METRICS
from adqn_jax.host.runner import Hosting, HostRunner
from adqn_jax.types import steps_on_host

__all__ = ["METRICS", "EnvironmentFailure", "HostRunner", "Hosting", "steps_on_host"]
