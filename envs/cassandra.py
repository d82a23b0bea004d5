"""Read `.pomdp` files, the format of A. Cassandra's pomdp-solve (pomdp.org)."""

import os
import pathlib
from typing import Any

import numpy as np

from .pomdp import POMDP
from .tokens import Tokens

_KINDS = ("states", "actions", "observations")
_PREAMBLE = ("discount", "values", *_KINDS)
_KEYWORDS = (*_PREAMBLE, "start", "T", "O", "R")

_MOST_NAMES = 1_000_000
#: Arrays of float64 that reading and playing a model hold at once, of each that it consists of.
_COPIES = 2

#: How far a file's rows may be from summing to 1, as it prints them; they are then normalised.
_ROUNDING = 1e-4


def read_pomdp(path: pathlib.Path | str, *, episodic: bool = False) -> POMDP:
    """Read a POMDP.

    Args:
      path: the file.
      episodic: what `reset` does in a row of T. By default the state is drawn anew from the start
        distribution and the process goes on, as in pomdp-solve; if true, the episode ends there.

    Returns:
      The model. Its rewards are expected over next states and observations; costs are negated.

    Raises:
      ValueError: when the file cannot be read, or is no POMDP; one sentence, with the line.
    """
    try:
        path = pathlib.Path(path).expanduser()
        # A byte that is no text may stand in a comment; elsewhere the tokens refuse it.
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except (OSError, RuntimeError) as error:  # the latter: `~`, and nobody knows where that is
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"cannot read {path}: {reason}") from error
    return _Parser(Tokens(str(path), text, _KEYWORDS)).parse(path.stem, episodic)


class _Parser:
    """A recursive-descent parser; later statements overwrite earlier ones, as in the format."""

    def __init__(self, tokens: Tokens):
        self.tokens = tokens
        self.discount: float | None = None
        self.sign: float | None = None  # of rewards, -1 for costs
        self.names: dict[str, dict[str, int]] = {}
        self.ready = False  # the preamble is over, the arrays below exist
        self.rewards: list[tuple[Any, Any, Any, Any, Any]] = []  # (a, s, s', o, values), each

    def parse(self, name: str, episodic: bool) -> POMDP:
        """Read the whole file."""
        tokens = self.tokens
        while tokens.peek():
            if not tokens.begins_statement():
                word = tokens.take()
                tokens.fail(f"expected one of {', '.join(_KEYWORDS)} and a colon, got {word!r}")
            keyword = tokens.take()
            if keyword in ("start", "T", "O", "R"):
                self._end_preamble()
                {"start": self._start, "T": self._t, "O": self._o, "R": self._r}[keyword]()
            else:
                self._declare(keyword)
        self._end_preamble()
        return self._model(name, episodic)

    def _declare(self, keyword: str) -> None:
        self.tokens.take(":")
        if self.ready:
            self.tokens.fail(f"{keyword!r} must come before start, T, O and R")
        words = self.tokens.words()
        if keyword in _KINDS:
            self.names[keyword] = self._names(keyword, words)
        elif len(words) != 1:
            self.tokens.fail(f"{keyword!r} takes one word, got {len(words)}")
        elif keyword == "discount":
            self.discount = self.tokens.number(words[0])
        elif words[0].removesuffix("s") in ("reward", "cost"):
            self.sign = 1.0 if words[0].startswith("reward") else -1.0
        else:
            self.tokens.fail(f"values are 'reward' or 'cost', got {words[0]!r}")

    def _names(self, kind: str, words: list[str]) -> dict[str, int]:
        if len(words) == 1 and words[0].isdecimal():
            if int(words[0]) > _MOST_NAMES:
                self.tokens.fail(f"at most {_MOST_NAMES:,} {kind} can be read, got {words[0]}")
            words = [str(i) for i in range(int(words[0]))]
        elif digits := [word for word in words if not (word[0].isalpha() or word[0] == "_")]:
            self.tokens.fail(f"a name must begin with a letter, got {digits[0]!r}")
        if not words or len(set(words)) < len(words):
            self.tokens.fail(f"{kind} must be a number of at least 1 or a list of different names")
        return {word: i for i, word in enumerate(words)} | {str(i): i for i in range(len(words))}

    def _end_preamble(self) -> None:
        if self.ready:
            return
        known = {"discount": self.discount, "values": self.sign, **self.names}
        for keyword in _PREAMBLE:
            if known.get(keyword) is None:
                self.tokens.fail(f"{keyword!r} must be declared before start, T, O and R")
        self.size = [1 + max(self.names[kind].values()) for kind in _KINDS]
        states, actions, observations = self.size
        self._refuse_too_large()
        self.start: np.ndarray = np.full(states, 1.0 / states)
        self.transition = np.zeros((actions, states, states))
        self.resets = np.zeros((actions, states), bool)
        self.observation = np.zeros((actions, states, observations))
        self.ready = True

    def _refuse_too_large(self) -> None:
        """Refuse arrays that would not fit into memory, before there is any."""
        states, actions, observations = self.size
        numbers = actions * states * (states + observations) + states * states * observations
        needed, there = _COPIES * 8 * numbers, _memory()
        if needed > there:
            self.tokens.fail(
                f"{states} states, {actions} actions and {observations} observations need "
                f"{needed / 2**30:,.1f} GiB of memory, and there are {there / 2**30:,.1f}"
            )

    def _index(self, kind: str, word: str | None = None) -> Any:
        """Return the index that a word names, or all of them for `*`."""
        word = self.tokens.take() if word is None else word
        if word == "*":
            return slice(None)
        if word not in self.names[kind]:
            self.tokens.fail(f"{word!r} is none of the {kind}")
        return self.names[kind][word]

    def _start(self) -> None:
        listed = "" if self.tokens.peek() == ":" else self.tokens.take()
        self.tokens.take(":")
        words = self.tokens.words()
        states = self.size[0]
        if listed or (
            len(words) == 1 and words != ["uniform"] and words[0] in self.names["states"]
        ):
            chosen = np.zeros(states)
            for word in words:
                chosen[self._index("states", word)] = 1.0
            chosen = 1.0 - chosen if listed == "exclude" else chosen
            if not chosen.any():
                self.tokens.fail("no state is left to start from")
            self.start = chosen / chosen.sum()
        else:
            self.start = self._values(words, (states,), {"uniform": np.full(states, 1 / states)})

    def _t(self) -> None:
        self.tokens.take(":")
        states = self.size[0]
        action, state, after = self._index("actions"), slice(None), slice(None)
        named: dict[str, np.ndarray] = {"uniform": np.full(states, 1 / states)}
        shape: tuple[int, ...] = (states, states)
        if self.tokens.accept(":"):
            state, shape = self._index("states"), (states,)
            named["reset"] = self.start
            if self.tokens.accept(":"):
                after, shape, named = self._index("states"), (), {}
        else:
            named["identity"] = np.eye(states)
        self.resets[action, state] = self.tokens.peek() == "reset"
        self.transition[action, state, after] = self._values(self.tokens.words(), shape, named)

    def _o(self) -> None:
        self.tokens.take(":")
        states, _, observations = self.size
        action, after, seen = self._index("actions"), slice(None), slice(None)
        named: dict[str, np.ndarray] = {"uniform": np.full(observations, 1 / observations)}
        shape: tuple[int, ...] = (states, observations)
        if self.tokens.accept(":"):
            after, shape = self._index("states"), (observations,)
            if self.tokens.accept(":"):
                seen, shape, named = self._index("observations"), (), {}
        self.observation[action, after, seen] = self._values(self.tokens.words(), shape, named)

    def _r(self) -> None:
        self.tokens.take(":")
        states, _, observations = self.size
        action = self._index("actions")
        self.tokens.take(":")
        state, after, seen = self._index("states"), slice(None), slice(None)
        shape: tuple[int, ...] = (states, observations)
        if self.tokens.accept(":"):
            after, shape = self._index("states"), (observations,)
            if self.tokens.accept(":"):
                seen, shape = self._index("observations"), ()
        values = self._values(self.tokens.words(), shape, {})
        self.rewards.append((action, state, after, seen, values))

    def _values(
        self, words: list[str], shape: tuple[int, ...], named: dict[str, np.ndarray]
    ) -> np.ndarray:
        """Return what the words of a statement say: a name of values, or numbers for a shape."""
        if len(words) == 1 and words[0] in named:
            return named[words[0]]
        numbers = [self.tokens.number(word) for word in words]
        if len(numbers) != np.prod(shape, dtype=int):
            names = "".join(f" or {name!r}" for name in named)
            wanted = f"{np.prod(shape, dtype=int)} numbers{names}"
            self.tokens.fail(f"expected {wanted}, got {len(numbers)} numbers")
        return np.array(numbers).reshape(shape)

    def _model(self, name: str, episodic: bool) -> POMDP:
        try:
            return POMDP(
                transition=_normalise(self.transition).swapaxes(0, 1),
                observation=_normalise(self.observation),
                reward=self._expected_rewards(),
                start=_normalise(self.start),
                discount=self.discount or 0.0,
                terminal=self.resets.T if episodic else None,
                name=name,
            )
        except ValueError as error:
            raise ValueError(f"{self.tokens.path}: {error}") from error

    def _expected_rewards(self) -> np.ndarray:
        """Average what R says over next states and observations, one action at a time; [S, A]."""
        states, actions, observations = self.size
        expected = np.zeros((states, actions))
        for action in range(actions):
            reward = np.zeros((states, states, observations))
            for which, state, after, seen, values in self.rewards:
                if which == slice(None) or which == action:
                    reward[state, after, seen] = values
            expected[:, action] = np.einsum(
                "sto,st,to->s", reward, self.transition[action], self.observation[action]
            )
        return (self.sign or 1.0) * expected


def _memory() -> float:
    """Return the machine's memory in bytes; infinite where it cannot be known."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _normalise(rows: np.ndarray) -> np.ndarray:
    """Mend rows that sum to 1 but for rounding; others are left for the model to refuse."""
    sums = rows.sum(-1, keepdims=True)
    return np.where(np.abs(sums - 1.0) <= _ROUNDING, rows / np.where(sums == 0, 1, sums), rows)
