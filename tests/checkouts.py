"""Folders that look like checkouts of others' trainers: programs of their shape, made up."""

import pathlib
import textwrap

#: What recurrent PPO of purejaxrl imports from beside it, and what that imports without use.
_WRAPPERS = """
    from brax import envs
    from brax.envs.wrappers.training import AutoResetWrapper, EpisodeWrapper
    import navix as nx

    class Wrapper:
        def __init__(self, env):
            self.env = env
"""
#: A GRU by the older flax, an environment by the older gymnax, and `train` of a key. Like the
#: original, a state has numbers that begin as integers and go on as real ones.
_PPO = """
    import json, pathlib, types
    import flax.linen as nn
    import gymnax
    import jax
    import jax.numpy as jnp
    import optax
    from flax.training.train_state import TrainState
    from wrappers import Wrapper

    class Network(nn.Module):
        actions: int

        @nn.compact
        def __call__(self, h, x):
            seen, done = x[0][0], x[1][0]
            h = jnp.where(done[:, None], 0.0, h)
            h, y = nn.GRUCell()(h, nn.Dense(8)(seen))
            return h, types.SimpleNamespace(logits=nn.Dense(self.actions)(y)[None]), None

    def make_train(config):
        pathlib.Path(__file__).with_name("config.json").write_text(json.dumps(config))
        num_updates = config["TOTAL_TIMESTEPS"] // config["NUM_STEPS"] // config["NUM_ENVS"]
        env, params = gymnax.make(config["ENV_NAME"])
        env = Wrapper(env).env
        reset = jax.vmap(env.reset, in_axes=(0, None))
        step = jax.vmap(env.step, in_axes=(0, 0, 0, None))

        def train(key):
            network = Network(env.action_space(params).n)
            keys = jax.random.split(key, config["NUM_ENVS"])
            seen, env_state = reset(keys, params)
            h = nn.GRUCell.initialize_carry(key, (config["NUM_ENVS"],), 8)
            done = jnp.zeros(config["NUM_ENVS"], bool)
            weights = network.init(key, h, (seen[None], done[None]))
            learned = TrainState.create(
                apply_fn=network.apply, params=weights, tx=optax.sgd(config["LR"])
            )

            def _update_step(state, unused):
                def _env_step(state, unused):
                    learned, (env_state, earned), seen, done, h, key = state
                    key, key_step = jax.random.split(key)
                    h, pi, _ = learned.apply_fn(learned.params, h, (seen[None], done[None]))
                    action = jax.random.categorical(key_step, pi.logits[0])
                    keys = jax.random.split(key_step, config["NUM_ENVS"])
                    seen, env_state, reward, done, info = step(keys, env_state, action, params)
                    earned = earned + reward.sum()
                    return (learned, (env_state, earned), seen, done, h, key), reward

                state, rewards = jax.lax.scan(_env_step, state, None, config["NUM_STEPS"])
                grads = jax.tree_util.tree_map(jnp.sin, state[0].params)
                return (state[0].apply_gradients(grads=grads), *state[1:]), rewards

            state = (learned, (env_state, 0), seen, done, h, key)
            state, metric = jax.lax.scan(_update_step, state, None, num_updates)
            return {"runner_state": state, "metric": metric}

        return train
"""
#: The same by Q values of the newer flax, with the action before, and what it imports without use.
_PQN = """
    import flax.linen as nn
    import gymnax
    import hydra
    import jax
    import jax.numpy as jnp
    import optax
    import wandb
    from flax.training.train_state import TrainState
    from gymnax.wrappers.purerl import FlattenObservationWrapper, LogWrapper
    from omegaconf import OmegaConf

    class Learned(TrainState):
        batch_stats: dict
        n_updates: int = 0

    class Network(nn.Module):
        actions: int
        size: int

        @nn.compact
        def __call__(self, h, x, done, last_action, train=False):
            h = jnp.where(done[0][:, None], 0.0, h)
            last = jax.nn.one_hot(last_action[0], self.actions)
            h, y = nn.GRUCell(self.size)(h, jnp.concatenate([x[0], last], -1))
            return h, nn.Dense(self.actions)(y)[None]

    def make_train(config):
        num_updates = config["TOTAL_TIMESTEPS"] // config["NUM_STEPS"] // config["NUM_ENVS"]
        env, params = gymnax.make(config["ENV_NAME"])
        env = LogWrapper(FlattenObservationWrapper(env))
        reset = jax.vmap(env.reset, in_axes=(0, None))
        step = jax.vmap(env.step, in_axes=(0, 0, 0, None))

        def train(key):
            network = Network(env.action_space(params).n, config["HIDDEN_SIZE"])
            seen, env_state = reset(jax.random.split(key, config["NUM_ENVS"]), params)
            h = jnp.zeros((config["NUM_ENVS"], config["HIDDEN_SIZE"]))
            done = jnp.zeros(config["NUM_ENVS"], bool)
            last = jnp.zeros(config["NUM_ENVS"], int)
            weights = network.init(key, h, seen[None], done[None], last[None])["params"]
            learned = Learned.create(
                apply_fn=network.apply, params=weights, tx=optax.sgd(config["LR"]), batch_stats={}
            )

            def _update_step(state, unused):
                learned, memory, (h, seen, done, last, env_state), _, key = state
                key, key_step = jax.random.split(key)
                h, values = learned.apply_fn(
                    {"params": learned.params, "batch_stats": learned.batch_stats},
                    h, seen[None], done[None], last[None],
                )
                last = values[0].argmax(-1)
                keys = jax.random.split(key_step, config["NUM_ENVS"])
                seen, env_state, reward, done, info = step(keys, env_state, last, params)
                grads = jax.tree_util.tree_map(jnp.sin, learned.params)
                learned = learned.apply_gradients(grads=grads)
                learned = learned.replace(n_updates=learned.n_updates + 1)
                return (learned, memory, (h, seen, done, last, env_state), _, key), reward.mean()

            state = (learned, (), (h, seen, done, last, env_state), None, key)
            state, metrics = jax.lax.scan(_update_step, state, None, num_updates)
            return {"runner_state": state, "metrics": metrics}

        return train

    @hydra.main(version_base=None)
    def main(config):
        wandb.init(config=OmegaConf.to_container(config))
"""


def purejaxrl(folder: pathlib.Path) -> pathlib.Path:
    """Make a folder that looks like a checkout of purejaxrl."""
    return _made(folder / "purejaxrl", {"wrappers.py": _WRAPPERS, "ppo_rnn.py": _PPO})


def purejaxql(folder: pathlib.Path) -> pathlib.Path:
    """Make a folder that looks like a checkout of purejaxql."""
    return _made(folder / "purejaxql", {"pqn_rnn_gymnax.py": _PQN})


def _made(folder: pathlib.Path, files: dict[str, str]) -> pathlib.Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    return folder.parent
