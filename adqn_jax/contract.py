"""Whether an environment keeps the contract: asked of shapes alone, before anything is compiled."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces as gymnax_spaces

from adqn_jax import spaces
from adqn_jax.types import PyTree, Spec, steps_on_host

_OURS = "adqn_jax."
#: By how many it is asked whether observations follow from states.
_RESETS = 8
_METHODS = (
    "reset_env", "step_env", "observe", "is_truncated", "observation_space", "privileged_state",
    "privileged_state_space",
)  # fmt: skip


def check(env: Any, env_params: Any) -> None:
    """Ask an environment for the shapes of all that a trainer will ask it for.

    Raises:
      ValueError: when a part of it is not as the contract has it; one sentence names the part, what
        it gave, and what was expected.
    """
    name = getattr(env, "name", type(env).__name__)
    if missing := [method for method in _METHODS if not callable(getattr(env, method, None))]:
        raise ValueError(
            f"{name} is no environment with a privileged state: it has no {missing[0]}; "
            f"adqn_jax.envs.PrivilegedEnvironment says what there must be"
        )
    _check_time_limit(name, env_params)
    _check_actions(name, env, env_params)
    for declared in ("observation_space", "privileged_state_space"):
        _check_space(f"{name}.{declared}", getattr(env, declared)(env_params))
    key = jax.ShapeDtypeStruct((), jax.eval_shape(jax.random.key, 0).dtype)
    if steps_on_host(env):  # it checks by itself what simulators answer
        state = _shapes(f"{name}.blank", lambda: env.blank(env_params))
        observation = _shapes(f"{name}.observe", env.observe, key, state, None, env_params)
    else:
        observation, state = _reset(name, env, env_params, key)
        _check_step(name, env, env_params, key, observation, state)
        if env.observes_deterministically:  # or nobody asks
            again = _shapes(f"{name}.observe", env.observe, key, state, None, env_params)
            if _told(again) != _told(observation):
                raise ValueError(
                    f"{name}: observe must return what reset_env does, {_told(observation)}, got "
                    f"{_told(again)}"
                )
            if not type(env).__module__.startswith(_OURS):  # whose tests have asked
                _check_repeats(name, env, env_params)
    _check_element(f"{name}.reset_env", "observation_space", observation,
                   env.observation_space(env_params))  # fmt: skip
    privileged = _shapes(f"{name}.privileged_state", env.privileged_state, state, env_params)
    _check_element(f"{name}.privileged_state", "privileged_state_space", privileged,
                   env.privileged_state_space(env_params))  # fmt: skip


def _check_space(what: str, space: Any) -> None:
    """Refuse a space that no network reads."""
    if isinstance(space, gymnax_spaces.Dict):
        for name, part in space.spaces.items():
            _check_space(f"{what}'s {name}", part)
    elif not isinstance(space, gymnax_spaces.Discrete | gymnax_spaces.Box):
        raise ValueError(
            f"{what} is {_told(space)}: known are Discrete spaces, Boxes, and Dicts of these"
        )


def _check_repeats(name: str, env: Any, env_params: Any) -> None:
    """Compare, for some keys, what a reset shows with what `observe` says of its state."""

    def differs(key: jax.Array) -> jax.Array:
        key_reset, key_observe = jax.random.split(key)
        shown, state = env.reset_env(key_reset, env_params)
        again = env.observe(key_observe, state, None, env_params)
        pairs = zip(jax.tree.leaves(shown), jax.tree.leaves(again), strict=True)
        # What is computed in another program may be rounded otherwise.
        close = [jnp.isclose(x, y, rtol=1e-4, atol=1e-4, equal_nan=True).all() for x, y in pairs]
        return ~jnp.stack(close).all()

    with jax.ensure_compile_time_eval():
        keys = jax.random.split(jax.random.key(0), _RESETS)
        if jax.jit(jax.vmap(differs))(keys).any():
            raise ValueError(
                f"{name}: observe says another thing of a state than reset_env has shown. Where "
                f"observations are drawn, or are more than the state tells, the class must set "
                f"observes_deterministically to False"
            )


def _check_time_limit(name: str, env_params: Any) -> None:
    limit = getattr(env_params, "max_steps_in_episode", None)
    try:
        steps = int(limit)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError, OverflowError, jax.errors.JAXTypeError):
        steps = 0
    if steps < 1 or steps != limit:
        raise ValueError(
            f"{name} has no time limit: its parameters need max_steps_in_episode, a whole number "
            f"of steps of at least 1, got {limit!r}"
        )


def _check_actions(name: str, env: Any, env_params: Any) -> None:
    space = spaces.declared_actions(env, env_params)
    if isinstance(space, gymnax_spaces.Box):
        _check_box_of_actions(name, space)
        return
    if space is not None and not isinstance(space, gymnax_spaces.Discrete):
        raise ValueError(
            f"{name} has the action space {_told(space)}: there must be a Discrete one, or a flat "
            f"Box of floats"
        )
    try:
        number = getattr(env, "num_actions", None)
    except NotImplementedError:  # as gymnax has it
        number = None
    if number is None and space is not None:
        return
    counts = isinstance(number, int | np.integer) and number >= 1
    if not counts or (space is not None and space.n != number):
        expected = "a number of at least 1" if space is None else f"{space.n}, as action_space says"
        raise ValueError(f"{name}.num_actions must be {expected}, got {number!r}")


def _check_box_of_actions(name: str, space: Spec) -> None:
    if not jnp.issubdtype(space.dtype, jnp.floating) or len(space.shape) != 1 or not space.shape[0]:
        raise ValueError(
            f"{name} has the action space {_told(space)} of {jnp.dtype(space.dtype).name}: a Box "
            f"of actions must be flat, of floats, with one entry at least"
        )
    try:
        widths = np.broadcast_to(np.asarray(space.high) - np.asarray(space.low), space.shape)
    except ValueError:
        widths = np.zeros(1)
    if not (widths > 0).all():  # NaN is not, either
        raise ValueError(
            f"{name} has a Box of actions from low {np.asarray(space.low).tolist()} to high "
            f"{np.asarray(space.high).tolist()}: each entry's high must be above its low"
        )


def _reset(name: str, env: Any, env_params: Any, key: Any) -> tuple[PyTree, PyTree]:
    answer = _shapes(f"{name}.reset_env", env.reset_env, key, env_params)
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ValueError(f"{name}.reset_env must return observation and state, got {_told(answer)}")
    return answer


def _check_step(
    name: str, env: Any, env_params: Any, key: Any, observation: PyTree, state: PyTree
) -> None:
    action = jax.eval_shape(lambda: spaces.no_action(spaces.action_space(env, env_params)))
    answer = _shapes(f"{name}.step_env", env.step_env, key, state, action, env_params)
    if not isinstance(answer, tuple) or len(answer) != 5 or not isinstance(answer[4], dict):
        raise ValueError(
            f"{name}.step_env must return observation, state, reward, terminated and a dict, "
            f"got {_told(answer)}"
        )
    truncated = _shapes(f"{name}.is_truncated", env.is_truncated, answer[1], env_params)
    told = {"reward": answer[2], "terminated": answer[3], "is_truncated": truncated}
    if "success" in answer[4]:
        told["success"] = answer[4]["success"]
    for what, x in told.items():
        if getattr(x, "shape", ()) != ():
            raise ValueError(f"{name}: {what} must be a scalar, got the shape {x.shape}")
    for what, first, after in (
        ("observation", observation, answer[0]),
        ("state", state, answer[1]),
    ):
        if _told(first) != _told(after):
            raise ValueError(
                f"{name}: step_env must return a {what} like that of reset_env, {_told(first)}, "
                f"got {_told(after)}"
            )


def _check_element(source: str, declared: str, element: PyTree, space: Spec) -> None:
    expected = jax.eval_shape(lambda: spaces.zeros(space))
    given: Any = jax.tree.structure(element)
    fits = given == jax.tree.structure(expected) and all(
        x.shape == of.shape and not (_indexes(of) and jnp.issubdtype(x.dtype, jnp.inexact))
        for x, of in zip(jax.tree.leaves(element), spaces.leaves(space), strict=True)
    )
    if not fits:
        raise ValueError(
            f"{source} gives {_told(element)}, and {declared} declares {_told(expected)}"
        )


def _indexes(space: Spec) -> bool:
    """Whether elements look up what has been learnt, and so must be whole numbers."""
    return isinstance(space, gymnax_spaces.Discrete) or spaces.is_index_grid(space)


def _shapes(what: str, function: Any, *args: Any) -> Any:
    try:
        return jax.eval_shape(function, *args)
    except Exception as error:  # whatever somebody else's code raises
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{what} cannot be traced: {type(error).__name__}: {reason}") from error


def _told(tree: Any) -> str:
    """Say what a tree of arrays, or a space, looks like."""
    if isinstance(tree, gymnax_spaces.Space):
        return f"{type(tree).__name__}{getattr(tree, 'shape', ())}"
    return str(jax.tree.map(lambda x: f"{x.dtype}{list(x.shape)}", tree)).replace("'", "")
