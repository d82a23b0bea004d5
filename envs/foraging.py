"""Level-based foraging: agents on a grid walk up to items and load them, together if need be."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from gymnax.environments import environment, spaces

from .environment import PrivilegedEnvironment
from .spawning import check_room, draw_levels, highest_levels, place

#: What each agent can do.
NONE, NORTH, SOUTH, WEST, EAST, LOAD = range(6)
_MOVES = np.array([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)], np.int32)

_ABSENT = np.array([-1, -1, 0], np.float32)  # row, column, level of what is not seen


@struct.dataclass
class ForagingState(environment.EnvState):
    """Who and what is where, and the clock. N agents, F items in row-major order as placed."""

    agents: jax.Array  # int8 [N, 2], rows and columns
    agent_levels: jax.Array  # int8 [N]
    items: jax.Array  # int8 [F, 2], rows and columns; -1 once taken, or never placed
    item_levels: jax.Array  # int8 [F], of taken ones too; 0 of those never placed
    time: jax.Array  # int32, steps since the reset


@struct.dataclass
class ForagingParams(environment.EnvParams):
    """The time limit, and what loading costs those who are too weak, each of them."""

    max_steps_in_episode: int = 50
    penalty: float = 0.0


class Foraging(PrivilegedEnvironment[ForagingState, ForagingParams]):
    """Agents collect the items of a grid; the default is one agent, one item, without levels.

    * State: where agents and items are, and their levels; all of it drawn anew at every reset:
      agents anywhere, items neither on the border nor within two steps of one another.
    * Actions: 6 ** N joint ones, of which agent 0 takes the most significant digit in base 6: none,
      north, south, west, east, load. What is not valid (off the grid, onto an item, loading with
      no item among the four neighbours) becomes none. All move at once, and whoever alone names
      a cell gets it; so agents swap places, and may end up on one cell behind one that failed.
    * Loading: an item is taken if the levels of those that load it reach its own.
    * Reward: the sum over agents (`info["agent_rewards"]`, float32 [N]). Those who take an item
      share its level over that of all items of the episode, in proportion to their own levels, so
      that all items together pay 1; those too weak for theirs get -penalty each. Terminates, a
      success, when no item is left.
    * Observation: float32 [N * 3 (F + N)], what each agent sees, agent 0 first: rows, columns and
      levels of items, in row-major order, then of agents, itself first; what is not seen is
      left out, and (-1, -1, 0) fills up the end. Coordinates count from the corner of a window,
      `sight` rows and columns up and left of the agent, cut off at the grid's border.
      Items are seen up to `sight` rows and columns away, agents in rows and columns 0 to
      2 sight of the window, which is further near the upper and the left border.
    * Privileged state: float32 [3 (F + N)], rows, columns and levels in the grid's coordinates, of
      items in slots of their own, then of agents by index. A taken item is at (-1, -1) and
      keeps its level, which still counts in what the others pay; one never placed has level 0.

    Source: lb-foraging (Christianos, Schäfer, Albrecht, NeurIPS 2020), rules of version 2.0.0; the
    default as in Albrecht, Christianos, Schäfer, Multi-Agent Reinforcement Learning (2024).

    Args:
      rows: of the grid, 3 to 50.
      columns: likewise.
      agents: N, 1 to 6 (6 ** 6 is 46,656 joint actions).
      items: F, 1 to a fifth of the cells within the border. Those that find no place, as the
        others are in their way, are left out.
      sight: how far agents see, at least 1; None, or the longer side, is everything.
      levels: whether agents' levels are drawn from 1 and 2, and items' from 1 to M, the sum of the
        three lowest agents' (or of all, if fewer). Without, every level is 1.
      coop: whether items' levels are always M.

    Raises:
      ValueError: when these are not so, or the agents could leave no room for an item.
    """

    def __init__(
        self,
        rows: int = 8,
        columns: int = 8,
        agents: int = 1,
        items: int = 1,
        *,
        sight: int | None = None,
        levels: bool = False,
        coop: bool = False,
    ):
        super().__init__()
        check_room(rows, columns, agents, items)
        if sight is not None and sight < 1:
            raise ValueError(f"agents see at least one cell far, got sight={sight}")
        self.shape = (rows, columns)
        self.agents, self.items = agents, items
        self.sight = min(sight or max(self.shape), max(self.shape))
        self._kind = {"levels": levels, "coop": coop}
        # Of a joint action, agent 0's digit first; and whom each agent lists, itself first.
        self._places = 6 ** np.arange(agents)[::-1].astype(np.int32)
        listed = [[i, *(j for j in range(agents) if j != i)] for i in range(agents)]
        self._listed = np.array(listed, np.int32)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments."""
        rows, columns = self.shape
        size = {"rows": rows, "columns": columns, "agents": self.agents, "items": self.items}
        return {**size, "sight": self.sight, **self._kind}

    @property
    def default_params(self) -> ForagingParams:
        """A time limit of 50 steps, no penalty."""
        return ForagingParams()

    @property
    def name(self) -> str:
        """Registry name, the shortest."""
        name = f"foraging:{self.shape[0]}x{self.shape[1]}:{self.agents}:{self.items}"
        sight = f":sight={self.sight}" if self.sight < max(self.shape) else ""
        name += sight + "".join(f":{word}" for word in ("coop", "levels") if self._kind[word])
        return "foraging" if name == "foraging:8x8:1:1" else name

    @property
    def num_actions(self) -> int:
        """Joint actions."""
        return 6**self.agents

    def reset_env(self, key: jax.Array, params: ForagingParams) -> tuple[jax.Array, ForagingState]:
        """Draw places and levels; `key` is consumed."""
        places, ranks = jax.random.uniform(key, (2, self.agents + self.items), jnp.float32)
        agents, items = place(places, self.shape, self.agents)
        agent_levels, item_levels = draw_levels(ranks, self.agents, **self._kind)
        state = ForagingState(
            agents=agents.astype(jnp.int8),
            agent_levels=agent_levels,
            items=items.astype(jnp.int8),
            item_levels=jnp.where(items[:, 0] < 0, jnp.int8(0), item_levels),
            time=jnp.int32(0),
        )
        return self.get_obs(state, params), state

    def step_env(
        self,
        key: jax.Array,
        state: ForagingState,
        action: int | float | jax.Array,
        params: ForagingParams,
    ) -> tuple[jax.Array, ForagingState, jax.Array, jax.Array, dict[Any, Any]]:
        """Move all agents at once, then load; nothing is random."""
        del key
        actions = jnp.asarray(action) // self._places % 6
        agents = self._move(state, actions)
        # An absent item, at (-1, -1), is beside no cell of the grid.
        beside = jnp.abs(agents[:, None] - state.items).sum(-1) == 1  # [N, F]
        loads = beside & (actions == LOAD)[:, None]
        levels = loads * state.agent_levels[:, None].astype(jnp.int32)
        strength = levels.sum(0)  # [F]
        taken = strength >= state.item_levels
        total = state.item_levels.sum(dtype=jnp.int32)  # at least one item was placed
        share = levels * state.item_levels / jnp.maximum(strength * total, 1)
        rewards = jnp.where(loads, jnp.where(taken, share, -params.penalty), 0.0)
        rewards = rewards.sum(-1).astype(jnp.float32)  # an agent loads one item at most

        state = dataclasses.replace(
            state,
            agents=agents.astype(jnp.int8),
            items=jnp.where(taken[:, None], jnp.int8(-1), state.items),
            time=state.time + 1,
        )
        terminated = (state.items < 0).all()
        info = {"success": terminated, "agent_rewards": rewards}
        return self.get_obs(state, params), state, rewards.sum(), terminated, info

    def _move(self, state: ForagingState, actions: jax.Array) -> jax.Array:
        """Return where the agents are after their moves, int32 [N, 2]."""
        here = state.agents.astype(jnp.int32)
        there = here + jnp.asarray(_MOVES)[actions]
        inside = ((there >= 0) & (there < np.array(self.shape))).all(-1)
        onto_item = (there[:, None] == state.items).all(-1).any(-1)
        named = jnp.where((inside & ~onto_item)[:, None], there, here)
        alone = (named[:, None] == named).all(-1).sum(-1) == 1
        return jnp.where(alone[:, None], named, here)

    def get_obs(
        self, state: ForagingState, params: ForagingParams | None = None, key: Any = None
    ) -> jax.Array:
        """Return what all agents see, agent 0 first."""
        del params, key
        agents, items = state.agents.astype(jnp.int32), state.items.astype(jnp.int32)
        corner = jnp.maximum(agents - self.sight, 0)[:, None]  # [N, 1, 2]
        near = (jnp.abs(agents[:, None] - items) <= self.sight).all(-1)
        levels = jnp.broadcast_to(state.item_levels, near.shape)
        seen_items = _close_up(items - corner, levels, near & (items[:, 0] >= 0))

        others = agents[self._listed] - corner  # [N, N, 2]
        in_window = ((others >= 0) & (others <= 2 * self.sight)).all(-1)
        seen_agents = _close_up(others, state.agent_levels[self._listed], in_window)
        return jnp.concatenate([seen_items, seen_agents], -1).reshape(-1)

    def privileged_state(self, env_state: ForagingState, params: ForagingParams) -> jax.Array:
        """Return rows, columns and levels of items, then of agents."""
        del params
        where = jnp.concatenate([env_state.items, env_state.agents])
        levels = jnp.concatenate([env_state.item_levels, env_state.agent_levels])
        return jnp.concatenate([where, levels[:, None]], -1).reshape(-1).astype(jnp.float32)

    def action_space(self, params: ForagingParams | None = None) -> spaces.Discrete:
        """Discrete(6 ** N)."""
        return spaces.Discrete(self.num_actions)

    def observation_space(self, params: ForagingParams) -> spaces.Box:
        """Box of shape [N * 3 (F + N)]; 0 and -1 are the least."""
        window = np.minimum(np.array(self.shape) - 1, 2 * self.sight)
        return self._space(window, self.agents)

    def privileged_state_space(self, params: ForagingParams) -> spaces.Box:
        """Box of shape [3 (F + N)]."""
        return self._space(np.array(self.shape) - 1, 1)

    def _space(self, furthest: np.ndarray, times: int) -> spaces.Box:
        """Bound entries of items and agents that lie in rows and columns up to `furthest`."""
        of_agents, of_items = highest_levels(self.agents, **self._kind)
        levels = np.repeat([of_items, of_agents], [self.items, self.agents])
        high = np.column_stack([np.tile(furthest, (len(levels), 1)), levels])
        low = np.tile(_ABSENT, len(levels) * times)
        high = np.tile(high.ravel(), times).astype(np.float32)
        return spaces.Box(low, high, high.shape, jnp.float32)


def _close_up(at: jax.Array, levels: jax.Array, seen: jax.Array) -> jax.Array:
    """List what is seen without gaps, as entries of three numbers, then entries of what is absent.

    Args:
      at: rows and columns, int32 [N, K, 2].
      levels: int [N, K].
      seen: bool [N, K].

    Returns:
      float32 [N, 3 K].
    """
    entries = jnp.concatenate([at, levels[..., None]], -1).astype(jnp.float32)
    slots = np.arange(seen.shape[1])[:, None]
    goes = seen[:, None] & (jnp.cumsum(seen, -1)[:, None] == slots + 1)  # [N, slot, K]
    listed = jnp.where(goes[..., None], entries[:, None], 0.0).sum(2)
    filled = slots < seen.sum(-1)[:, None, None]
    return jnp.where(filled, listed, _ABSENT).reshape(len(seen), -1)
