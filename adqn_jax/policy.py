"""A trained policy: pure functions to act with, and a file that holds all that acting needs.

The file is a NumPy archive without executable content: an array for each parameter, and one text,
JSON, with the configuration, the spaces and the versions.
"""

import dataclasses
import functools
import json
import pathlib
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.spaces import Box

from adqn_jax import spaces
from adqn_jax.agent import Networks
from adqn_jax.families import family_of
from adqn_jax.results import files
from adqn_jax.spaces import Spaces
from adqn_jax.teacher import Teacher
from adqn_jax.types import Array, Carry, Environment, Inputs, Params, PyTree, Spec
from adqn_jax.versions import versions

FORMAT = "adqn_jax policy 1"
_METADATA = "metadata"


@dataclasses.dataclass(frozen=True, eq=False)
class Policy:
    """One seed's networks and parameters.

    `initial_carry` and `act` are pure; they need the parameters of what acts only, Q's or the
    actor's, neither the environment nor its privileged state.
    """

    config: Any
    """How it was trained; of its algorithm's family."""
    observation_space: Spec
    state_space: Spec
    """Of the privileged state, which only privileged models see."""
    action_space: Spec
    """Discrete, or a flat Box."""
    params: Params
    about: dict[str, Any]
    """Whatever else was noted when it was saved; JSON can hold it."""
    whole: bool = False
    """Whether `params` hold all networks, those too that no file of a policy has, as a critic."""

    @functools.cached_property
    def networks(self) -> Networks:
        """Those whose parameters there are."""
        seen = Spaces(self.observation_space, self.state_space, self.action_space)
        family = family_of(self.config.algorithm)
        make = family.make_all_networks if self.whole else family.make_networks
        return make(self.config, seen)

    def initial_carry(self, *lead: int) -> Carry:
        """Return the carry of episodes that start now, leaves [*lead, ...].

        Set `start` where further episodes begin: `carry.replace(start=done)`.
        """
        return Carry(
            memory=self.networks.memory(*lead),
            action_tm1=spaces.no_action(self.action_space, *lead),
            start=jnp.ones(lead, bool),
        )

    def act(
        self, carry: Carry, observation: PyTree, key: Array, epsilon: Array | float = 0.0,
        greedy: bool | None = None, state: PyTree | None = None,
    ) -> tuple[Array, Carry, Array]:  # fmt: skip
        """Choose an action as in evaluation, but with probability `epsilon` uniform.

        Args:
          carry: from `initial_carry`, or from the step before.
          observation: an element of `observation_space`, [..., *shape]; lists of numbers will do.
          key: consumed; it matters only where `epsilon` is not 0 or the policy draws its actions.
          epsilon: probability of a random action.
          greedy: whether a policy with probabilities takes the most probable action, or the mean
            of continuous ones, instead of drawing one; None: as in its run's evaluations. Values
            are greedy.
          state: the privileged state, an element of `state_space`, [..., *shape]: for `expert` and
            `dagger`, which act on it. Nobody else reads it. Lists will do here, too.

        Returns:
          The action, int32 [...], or of a Box float32 [..., N], within its bounds; the carry of
          the next step; a score of each action, float [..., A]: of value-based policies Q(h,.), of
          others log π(.|h). Of a Box instead the mean and the log standard deviation of the
          Gaussian that the action is drawn from, float [..., 2, N].

        Raises:
          ValueError: when the shape of observation or state is not that of the carry and the space,
            or one is outside of a Discrete space; when who acts on the state is given none; or
            values are told not to be greedy. Compiled, it cannot look at numbers: what is outside
            then makes values and memory NaN.
          jax.errors.TracerBoolConversionError: when `greedy` is traced; it is part of the program.
        """
        greedy = None if greedy is None else bool(greedy)
        lead = carry.start.shape
        seen = _checked("an observation", observation, self.observation_space, lead)
        if state is not None:
            state = _checked("a state", state, self.state_space, lead)
        inputs = Inputs(seen, state, carry.action_tm1, carry.start)
        who = self.networks.actor(self.params, epsilon, greedy)
        action, memory, values = self.networks.act(who, carry.memory, inputs, key)
        after = Carry(memory, action, jnp.zeros_like(carry.start))
        return spaces.executed(action, self.action_space), after, values

    def teacher(self) -> Teacher:
        """Return it as an expert that others learn from.

        Raises:
          ValueError: when it sees more or less than the state: it must be an `expert`, or have
            been trained to observe the state, without a memory; or its actions are continuous.
        """
        observes_state = self.about.get("observe") == "state"
        name, family = self.config.algorithm, family_of(self.config.algorithm)
        sees_state = getattr(family.algorithms[name], "acts_on_state", False)
        if not sees_state and not observes_state:
            raise ValueError(
                f"an expert sees the state: this policy of {name} was not trained with --observe "
                f"state"
            )
        if not sees_state and self.config.parts["network"].remembers:
            raise ValueError(
                f"an expert has no memory: this policy of {name} was not trained with --history "
                f"none"
            )
        if isinstance(self.action_space, Box):
            raise ValueError(
                f"an expert gives a probability to each action: this policy of {name} has "
                f"continuous ones"
            )
        state = self.observation_space if observes_state else self.state_space
        seen = Spaces(self.observation_space, state, self.action_space)
        return Teacher(self.params, self.networks, observes_state, family.scores, seen)


def _checked(what: str, given: PyTree, space: Spec, lead: tuple[int, ...]) -> PyTree:
    """Return arrays [*lead, ...] of what the space holds.

    Raises:
      ValueError: when it has another shape, or is outside of the space; it says of what.
    """
    # A list is an array's numbers, and no tree.
    given = jax.tree.map(jnp.asarray, given, is_leaf=lambda x: not isinstance(x, dict))
    element = jax.eval_shape(lambda: spaces.zeros(space))
    expected = jax.tree.map(lambda x: (*lead, *x.shape), element)
    shapes = jax.tree.map(lambda x: x.shape, given)
    if shapes != expected:
        raise ValueError(f"{what} here has the shape {expected}, got {shapes}")
    if stray := spaces.outside(given, space):
        raise ValueError(f"{what} here cannot be {stray}")
    return given


def make_policy(
    config: Any, env: Environment, env_params: Any, params: Params, about: dict[str, Any]
) -> Policy:
    """Return one seed's parameters as a policy; JSON must be able to hold what is said `about` it.

    `Trainer.acting_params` chooses the parameters.

    Raises:
      ValueError: when they are not those of one seed of this run.
    """
    seen = Spaces.of(env, env_params)
    policy = Policy(config, seen.observation, seen.state, seen.action, params, about)
    if problem := _misfit(_expected(policy), _named_leaves(params)):
        raise ValueError(f"these are no parameters of one seed: {problem}")
    return policy


def save_policy(path: pathlib.Path | str, policy: Policy) -> None:
    """Write a policy; the file, best called `.npz`, appears whole or not at all.

    A folder that is missing is made.
    """
    path = files.with_folder(pathlib.Path(path))
    arrays = {name: np.asarray(leaf) for name, leaf in _named_leaves(policy.params).items()}
    described = {
        "format": FORMAT,
        "config": dataclasses.asdict(policy.config),
        "observation_space": spaces.to_json(policy.observation_space),
        "state_space": spaces.to_json(policy.state_space),
        "action_space": spaces.to_json(policy.action_space),
        "versions": versions("adqn-jax", "jax", "flax", "numpy"),
        "about": policy.about,
    }
    arrays[_METADATA] = np.array(json.dumps(described))
    with files.replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # only newer ones have allow_pickle


def load_policy(path: pathlib.Path | str) -> Policy:
    """Read what `save_policy` wrote.

    Raises:
      ValueError: when the file holds no policy, or not a whole one.
      OSError: when there is no file that can be read.
    """
    arrays = _read(pathlib.Path(path))
    try:
        described = json.loads(str(arrays.pop(_METADATA)))
        if described["format"] != FORMAT:
            raise ValueError(f"{path} is of the format {described['format']!r}, not {FORMAT!r}")
        unfilled = Policy(
            config=family_of(described["config"]["algorithm"]).config.from_json(
                described["config"]
            ),
            observation_space=spaces.from_json(described["observation_space"]),
            state_space=spaces.from_json(described["state_space"]),
            action_space=_actions(described),
            params={},
            about=described["about"],
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} does not say how its policy was trained, or not as this version does: {error}"
        ) from error
    return dataclasses.replace(unfilled, params=_fill(path, unfilled, arrays))


def _actions(described: dict[str, Any]) -> Spec:
    """Return the space of actions; files from before there were continuous ones say how many."""
    if "action_space" in described:
        return spaces.from_json(described["action_space"])
    return spaces.from_json({"type": "discrete", "n": described["num_actions"]})


def _fill(path: pathlib.Path | str, policy: Policy, arrays: dict[str, np.ndarray]) -> Params:
    """Put arrays where the networks have parameters; a module without any has an empty place."""
    expected = _expected(policy)
    if problem := _misfit(expected, arrays):
        raise ValueError(f"{path} holds no whole policy: {problem}")
    leaves = [jnp.asarray(arrays[name]) for name in _named_leaves(expected)]
    params: Params = jax.tree.unflatten(jax.tree.structure(expected), leaves)
    return params


def _expected(policy: Policy) -> Params:
    """Return the shapes of a policy's parameters."""
    shapes: Params = jax.eval_shape(functools.partial(_init, policy), jax.random.key(0))
    return shapes


def _misfit(expected: Params, given: dict[str, Any]) -> str:
    """Say which parameter, by its name, has not the shape that is expected; nothing if all have."""
    needed = {name: leaf.shape for name, leaf in _named_leaves(expected).items()}
    there = {name: leaf.shape for name, leaf in given.items()}
    for name in sorted({*needed, *there}):
        if needed.get(name) != there.get(name):
            return f"{name} has shape {there.get(name)}, needed is {needed.get(name)}"
    return ""


def _init(policy: Policy, key: Array) -> Params:
    """Draw parameters, from the spaces alone."""
    before = spaces.no_action(policy.action_space, 1, 1)
    observation, state = (
        jax.tree.map(lambda x: x[None, None], spaces.zeros(space))
        for space in (policy.observation_space, policy.state_space)
    )
    inputs = Inputs(observation, state, before, jnp.ones((1, 1), bool))
    return policy.networks.init(key, inputs)


def _named_leaves(params: PyTree) -> dict[str, Any]:
    """Name leaves by their paths, in the order of the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {"/".join(key.key for key in keys): leaf for keys, leaf in leaves}


def _read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Read all entries of an archive, the metadata among them."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a policy's file, <run>/policy/seed-000.npz")
    try:
        # NumPy leaves a path that it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} holds no policy: it is no whole NumPy archive") from error
    if _METADATA not in arrays:
        raise ValueError(f"{path} holds no policy: it has no entry {_METADATA!r}")
    return arrays
