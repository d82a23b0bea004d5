"""π(a|h) and V(h), V(h,s) or V(s): acting with the first, evaluating both."""

import contextlib
import dataclasses
from collections.abc import Mapping

import jax
from flax import struct

from adqn_jax.actor_critic.algorithms import get_algorithm
from adqn_jax.actor_critic.config import Config
from adqn_jax.actor_critic.policies import Distribution, distribution_of
from adqn_jax.explore import at_random
from adqn_jax.nn import asking, model
from adqn_jax.nn.belief import Belief
from adqn_jax.nn.heads import Head
from adqn_jax.nn.model import Model, make_model
from adqn_jax.spaces import Spaces
from adqn_jax.types import Array, Inputs, Params, PyTree, Spec


@struct.dataclass
class Actor:
    """Who acts by a policy, but with probability epsilon at random."""

    params: Params
    epsilon: Array | float
    greedy: bool = struct.field(pytree_node=False)
    """Whether it takes the most probable action, or draws one."""


@dataclasses.dataclass(frozen=True)
class ActorCriticNetworks:
    """Models of "actor" and perhaps "critic", which share nothing, or the actor's encoder."""

    models: Mapping[str, Model]
    distribution: Distribution
    """What actions are drawn from."""
    action_space: Spec
    greedy: bool
    """Whether the policy that is evaluated, or loaded, takes the most probable action."""
    matmul_precision: str  # as NetworkConfig.matmul_precision
    asks: asking.Asks = dataclasses.field(default_factory=dict)
    """What the actor's history is asked for beside actions."""

    def precision(self) -> contextlib.AbstractContextManager:
        """Trace matrix products in this precision; those of gradients need it around `jax.grad`."""
        return jax.default_matmul_precision(self.matmul_precision)

    def init(self, key: Array, inputs: Inputs) -> Params:
        """Draw parameters; `key` is consumed, `inputs`, leaves [T, B, ...], give shapes only."""
        params = model.init(self.models, key, inputs)
        if self.asks:
            first = jax.tree.map(lambda x: x[:1, :1], inputs)
            params |= asking.init(self.asks, model.encode(self.models, params, first)["actor"])
        return params

    def memory(self, *lead: int) -> PyTree:
        """Return the actor's empty memory, leaves [*lead, ...]."""
        return self.models["actor"].memory(*lead)

    def actor(
        self, params: Params, epsilon: Array | float = 0.0, greedy: bool | None = None
    ) -> Actor:
        """Return who acts with these parameters; `greedy` None: as in evaluation."""
        return Actor(params["actor"], epsilon, self.greedy if greedy is None else greedy)

    def act(
        self, who: Actor, memory: PyTree, inputs: Inputs, key: Array
    ) -> tuple[Array, PyTree, Array]:
        """Choose actions, int32 [...], or float32 [..., N]; `key` is consumed.

        Returns:
          The actions; the actor's memory after this slot; what the policy says of actions:
          log π(.|h), float [..., A], or of continuous ones μ and log σ, float [..., 2, N].
        """
        with self.precision():
            outputs, memory = self.models["actor"].step(who.params, memory, inputs)
        key_draw, key_explore = jax.random.split(key)
        chosen = self.distribution
        action = chosen.mode(outputs) if who.greedy else chosen.sample(key_draw, outputs)
        action = at_random(key_explore, action, who.epsilon, self.action_space)
        return action, memory, chosen.read(outputs)

    def unroll(
        self, params: Params, inputs: Inputs, memory: Mapping[str, PyTree] | None = None
    ) -> tuple[dict[str, Array], dict[str, PyTree]]:
        """Evaluate networks in every slot of rows, leaves [T, B, ...].

        Args:
          params: of those to be evaluated: "actor", "critic", or "target", another critic; of what
            `asks` names; of the actor in any case where one of these reads its encoding.
          inputs: leaves [T, B, ...].
          memory: of each before the rows, leaves [B, ...]; None where rows begin with an episode.

        Returns:
          The outputs, what the policy says of actions, float [T, B, A] or [T, B, 2, N], or V, float
          [T, B], or what the history tells, float [T, B, N]; the memories after the rows.
        """
        models = {name: self._model(name) for name in params if name not in self.asks}
        with self.precision():
            encoded, after = model.advance(models, params, inputs, memory)
            outputs = model.evaluate(models, params, inputs, encoded)
            told = asking.tell(self.asks, params, encoded["actor"]) if "actor" in encoded else {}
        return {name: self._read(name, x) for name, x in outputs.items()} | told, after

    @property
    def shares_encoder(self) -> bool:
        """Whether the critic reads the history as the actor encodes it."""
        return any(model.reads for model in self.models.values())

    def value(
        self, name: str, params: Params, memory: Mapping[str, PyTree], inputs: Inputs
    ) -> Array:
        """Evaluate one critic, "critic" or "target", in one slot, leaves [B, ...]; float [B].

        `params` and `memory`, before the slot, are as `unroll` takes and returns them.
        """
        critic = self._model(name)
        encodes = critic.reads or name
        with self.precision():
            encoded, _ = self._model(encodes).encode(params[encodes], memory[encodes], inputs)
            return self._read(name, critic.outputs(params[name], inputs, encoded))

    def look(self, params: Params, inputs: Inputs) -> dict[str, Array]:
        """Evaluate along rows: "pi(a|h)", [T, B, A], and "V(h)", "V(h,s)" or "V(s)", [T, B].

        Of continuous actions "mu(h)" and "sigma(h)", as `policies.Gaussian.look` has them.
        """
        outputs, _ = self.unroll({name: params[name] for name in self.models}, inputs)
        seen = self.distribution.look(outputs["actor"])
        if "critic" in outputs:
            seen[f"V({self.models['critic'].arguments})"] = outputs["critic"]
        return seen

    def _read(self, name: str, outputs: Array) -> Array:
        return self.distribution.read(outputs) if name == "actor" else outputs[..., 0]

    def _model(self, name: str) -> Model:
        return self.models["critic" if name == "target" else name]


def make_networks(config: Config, spaces: Spaces) -> ActorCriticNetworks:
    """Choose the models of an algorithm: actor and, where it has one, critic."""
    sees = get_algorithm(config.algorithm).critic
    networks = make_policy_networks(config, spaces)
    if config.loss.belief_weight:
        networks = dataclasses.replace(networks, asks={"belief": Belief(spaces.state)})
    if sees == "none":
        return networks
    head = Head(config.network.head_sizes, 1, config.network.output_scale)
    critic = make_model(sees, head, spaces, config.network)
    if config.train.history_encoders == "shared" and critic.history is not None:
        critic = dataclasses.replace(critic, reads="actor")
    return dataclasses.replace(networks, models={**networks.models, "critic": critic})


def make_policy_networks(config: Config, spaces: Spaces) -> ActorCriticNetworks:
    """Choose the actor alone, which is all that is deployed."""
    distribution = distribution_of(spaces.action)
    actor = make_model("history", distribution.head(config.network), spaces, config.network)
    return ActorCriticNetworks(
        models={"actor": actor},
        distribution=distribution,
        action_space=spaces.action,
        greedy=config.train.eval_actions == "greedy",
        matmul_precision=config.network.matmul_precision,
    )
