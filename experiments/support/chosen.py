"""What a command line has chosen: environment, expert, experiment, and the run's folder."""

import hashlib
import json
import math
import pathlib
from typing import Any

from adqn_jax import envs, load_policy
from adqn_jax.results.experiment import Experiment, file_name
from adqn_jax.spaces import Spaces
from adqn_jax.teacher import Teacher
from support import presets
from support.options import Args, Choice


def environment(args: Choice) -> tuple[envs.PrivilegedEnvironment, Any]:
    """Make the environment and its parameters.

    Raises:
      ValueError: when there is no such environment, or no such parameter.
    """
    return envs.make(args.env, args.observe, _env_params(args), args.privileged)


def world(args: Choice) -> tuple[envs.PrivilegedEnvironment, Any, Teacher | None]:
    """Make the environment, its parameters, and the expert, if one is given.

    Raises:
      ValueError: when there is no such environment, parameter or policy, or the policy is no
        expert, or not one of this environment.
      OSError: when there is no file that can be read.
    """
    env, env_params = environment(args)
    if args.expert is None:
        return env, env_params, None
    policy = load_policy(args.expert)
    seen = Spaces(policy.observation_space, policy.state_space, policy.action_space)
    if problem := seen.misfit(Spaces.of(env, env_params)):
        raise ValueError(f"the policy {args.expert} does not fit {args.env}: {problem}")
    return env, env_params, policy.teacher()


def _env_params(args: Choice) -> dict[str, float]:
    params: dict[str, float] = {}
    for word in args.env_param:
        name, _, value = word.partition("=")
        name = name.replace("-", "_")
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or name in params:
            raise ValueError(f"--env-param takes NAME=NUMBER, each name once, got {word!r}")
        params[name] = int(number) if number == int(number) else number
    return params


def experiment(args: Args, env: envs.PrivilegedEnvironment) -> Experiment:
    """Return what decides the run's numbers; `env` is the one that `args` names.

    Raises:
      OSError: when the expert's file cannot be read.
    """
    settings, params = json.loads(json.dumps(env.settings)), _env_params(args)
    expert = "" if args.expert is None else hashlib.sha256(args.expert.read_bytes()).hexdigest()
    return Experiment(
        args.env, settings, args.observe, args.seeds, args.seed, args.config, params, expert,
        privileged=args.privileged or "",
        max_lag=args.max_lag if args.runner == "asynchronous" else 0,
    )  # fmt: skip


def folder(args: Args) -> pathlib.Path:
    """Return the run's folder."""
    usual = presets.preset(args.preset, args.env, args.algo).parts["network"].remembers
    memoryless = usual and not args.config.parts["network"].remembers
    bounds = {"memoryless": memoryless, "state": args.observe == "state"}
    name = args.name or "-".join(name for name, so in bounds.items() if so) or "default"
    return args.out / file_name(args.env) / args.algo / name
