"""From what was gathered to rows of one length, of which a first-in-first-out ring keeps some.

A rollout of T steps of E streams is cut into P = T / L pieces, and these into N = P E rows of L
slots. A row may begin within an episode: then with the memory that was there.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from adqn_jax.types import Array, Inputs, PyTree, Rollout, Transition


@struct.dataclass
class Pieces:
    """Pieces of streams, and what was remembered before each."""

    slots: Transition  # [P, L, E, ...]
    action_tm1: Array  # [P, E] int32, the action before the piece
    memory: PyTree  # [P, E, ...] the student's, before the piece; () where it has none


@struct.dataclass
class Ring:
    """The newest R pieces."""

    pieces: Pieces  # leaves [R, ...]
    count: Array  # int32, pieces written so far


def cut(x: PyTree, length: int) -> PyTree:
    """Cut streams, leaves [T, E, ...], into rows, [L, N, ...]; a stream's are E apart."""

    def of_leaf(leaf: Array) -> Array:
        steps, streams, *rest = leaf.shape
        split = leaf.reshape(steps // length, length, streams, *rest)
        return jnp.moveaxis(split, 0, 1).reshape(length, -1, *rest)

    return jax.tree.map(of_leaf, x)


def join(x: PyTree, streams: int) -> PyTree:
    """Undo `cut`: rows, leaves [L, N, ...], to streams, [T, E, ...]."""

    def of_leaf(leaf: Array) -> Array:
        length, _, *rest = leaf.shape
        split = leaf.reshape(length, -1, streams, *rest)
        return jnp.moveaxis(split, 1, 0).reshape(-1, streams, *rest)

    return jax.tree.map(of_leaf, x)


def make_pieces(rollout: Rollout, inputs: Inputs, memory: PyTree, length: int) -> Pieces:
    """Cut what was gathered into what a ring keeps.

    Args:
      rollout: T steps of E streams.
      inputs: of its slots, leaves [T, E, ...].
      memory: before each piece, leaves [P, E, ...].
      length: L.
    """

    def split(leaf: Array) -> Array:
        return leaf.reshape(-1, length, *leaf.shape[1:])

    return Pieces(jax.tree.map(split, rollout.slots), inputs.action_tm1[::length], memory)


def empty(example: Transition, memory: PyTree, size: int, length: int) -> Ring:
    """Return a ring of so many pieces; `example` and `memory` have leaves [E, ...]."""

    def ring(leaf: Any, *lead: int) -> Array:
        return jnp.zeros((*lead, *leaf.shape), leaf.dtype)

    slots = jax.tree.map(lambda x: ring(x, size, length), example)
    before = jnp.zeros((size, example.action.shape[0]), jnp.int32)
    return Ring(Pieces(slots, before, jax.tree.map(lambda x: ring(x, size), memory)), jnp.int32(0))


def add(ring: Ring, pieces: Pieces) -> Ring:
    """Write pieces, not more than it holds, in the place of the oldest."""
    number, size = pieces.action_tm1.shape[0], ring.pieces.action_tm1.shape[0]
    at = (ring.count + jnp.arange(number)) % size
    written = jax.tree.map(lambda old, new: old.at[at].set(new), ring.pieces, pieces)
    return Ring(written, ring.count + number)


def draw(ring: Ring, key: Array, batches: int, rows: int) -> Array:
    """Deal the rows that are there out at random, int32 [batches, rows]; `key` is consumed.

    Rows are counted r E + e. Each comes once before any comes again.
    """
    size, streams = ring.pieces.action_tm1.shape
    there = jnp.minimum(ring.count, size) * streams
    place = jax.random.uniform(key, (size * streams,), jnp.float32)
    # What has not been written lies behind, as pieces are written in order.
    order = jnp.argsort(jnp.where(jnp.arange(size * streams) < there, place, 2.0))
    return order[jnp.arange(batches * rows) % there].reshape(batches, rows)


def take(ring: Ring, rows: Array) -> tuple[Transition, Array, PyTree]:
    """Read rows, int [B]: slots, leaves [L, B, ...]; actions before, [B]; memories, [B, ...]."""
    piece, stream = jnp.divmod(rows, ring.pieces.action_tm1.shape[1])
    slots = jax.tree.map(lambda leaf: jnp.moveaxis(leaf[piece, :, stream], 0, 1), ring.pieces.slots)
    memory = jax.tree.map(lambda leaf: leaf[piece, stream], ring.pieces.memory)
    return slots, ring.pieces.action_tm1[piece, stream], memory
