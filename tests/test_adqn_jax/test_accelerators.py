"""Programs of every family lower for accelerators that are not here, and never ask the host."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import export

from adqn_jax import SeedRunner, envs, make_trainer
from adqn_jax.config import BaseConfig
from settings import imitating, on_policy, small

PLATFORMS = ("cuda", "tpu")
CONFIGS = {
    "adqn-vr": small("adqn-vr", replay="prioritised", values="implicit-quantile"),
    "ppo-asym": on_policy("ppo-asym", history="lstm"),
    "a2d": imitating("a2d"),
}


@pytest.mark.parametrize("algo", CONFIGS)
def test_programs_lower(algo: str) -> None:
    """Start, iterations and evaluation of seeds side by side, as an accelerator runs them."""
    config: BaseConfig = CONFIGS[algo]
    trainer = make_trainer(config, *envs.make("heavenhell-1"))
    runner = SeedRunner(trainer, 2, config.parts["hyper"])
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 2))
    states: Any = jax.eval_shape(jax.vmap(trainer.init), keys)
    hyper = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), runner.hyper_of_seeds)
    programs = {
        "init": (jax.vmap(trainer.init), (keys,)),
        "iterate": (jax.vmap(lambda s, h: trainer.iterate(s, h, 2)), (states, hyper)),
        "evaluate": (jax.vmap(trainer.evaluate), (states, hyper)),
    }
    for name, (function, shapes) in programs.items():
        exported = export.export(jax.jit(function), platforms=PLATFORMS)(*shapes)
        assert exported.platforms == PLATFORMS
        asked = re.findall(r"custom_call @(\w*(?:callback|py_func)\w*)", exported.mlir_module())
        assert not asked, (name, asked)


def test_a_callback_would_be_seen() -> None:
    """The check can fail."""
    called = jax.jit(lambda x: jax.pure_callback(lambda y: y, x, x))
    module = called.lower(jnp.float32(0)).as_text()
    assert re.search(r"custom_call @\w*(callback|py_func)", module)
