"""Laws of the reader of .pomdp files: what was written is read, and what is no model is refused."""

import dataclasses
import pathlib
import re
import tempfile
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax.envs import read_pomdp
from adqn_jax.envs.pomdp import POMDP
from models import PREAMBLE
from refusals import attempt

_FIELDS = ("transition", "observation", "reward", "start", "terminal")


@dataclasses.dataclass(frozen=True)
class Written:
    """A model, and a text that says the same."""

    model: POMDP
    text: str


def read(text: str, **options: Any) -> POMDP:
    """Read a text as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "model.pomdp")
        path.write_text(text)
        return read_pomdp(path, **options)


@st.composite
def written(draw: Any) -> Written:
    """Draw a POMDP and write it, each part in one of the forms that the format has."""
    size = tuple(draw(st.integers(1, 4)) for _ in range(3))
    states, actions, observations = size
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sharp = draw(st.sampled_from([0.1, 1.0]))  # rows with one large entry, or even ones
    transition = rng.dirichlet(np.full(states, sharp), (actions, states))
    observation = rng.dirichlet(np.full(observations, sharp), (actions, states))
    rewards = rng.integers(-9, 10, (actions, states, states, observations)) / 4
    start = rng.dirichlet(np.ones(states))
    sign = draw(st.sampled_from([1.0, -1.0]))
    names = [draw(_names(kind, n)) for kind, n in zip("sao", size, strict=True)]
    forms = {key: draw(st.sampled_from(["matrix", "rows", "entries"])) for key in "TOR"}
    statements = [
        *_table("T", forms["T"], transition, names[1], names[0], names[0]),
        *_table("O", forms["O"], observation, names[1], names[0], names[2]),
        *(
            line
            for a, action in enumerate(names[1])
            for line in _table(f"R: {action}", forms["R"], rewards[a], names[0], names[0], names[2])
        ),
    ]
    preamble = [
        f"discount: {draw(st.floats(0.0, 1.0))!r}",
        f"values: {'reward' if sign > 0 else 'cost'}",
        *(
            f"{kind}: {' '.join(of_kind) if not of_kind[0].isdecimal() else len(of_kind)}"
            for kind, of_kind in zip(("states", "actions", "observations"), names, strict=True)
        ),
    ]
    discount = float(preamble[0].split()[1])
    lines = [
        *draw(st.permutations(preamble)),
        f"start: {_numbers(start)}" if states > 1 else "start: uniform",
        *draw(st.permutations(statements)),
    ]
    comment = draw(st.sampled_from(["", "  # T: of no meaning"]))
    expected = sign * np.einsum("asto,ast,ato->sa", rewards, transition, observation)
    model = POMDP(transition.swapaxes(0, 1), observation, expected, start, discount)
    return Written(model, "".join(f"{line}{comment}\n" for line in lines))


def _names(kind: str, number: int) -> st.SearchStrategy[list[str]]:
    """Draw names: numbers, or words, some of which are the format's own."""
    words = [*(f"{kind}{i}" for i in range(number - 1)), "reset" if kind == "s" else "T"]
    return st.sampled_from([[str(i) for i in range(number)], words])


def _table(head: str, form: str, values: np.ndarray, *names: list[str]) -> list[str]:
    """Write an array [first, rows, columns] in one of the format's three forms."""
    first, rows, columns = names
    if form == "matrix":
        return [f"{head}: {a}\n" + "\n".join(map(_numbers, values[i])) for i, a in enumerate(first)]
    if form == "rows":
        return [
            f"{head} : {a} : {row} {_numbers(values[i, j])}"
            for i, a in enumerate(first)
            for j, row in enumerate(rows)
        ]
    return [
        f"{head}:{a}:{row}:{column} {float(values[i, j, k])!r}"
        for i, a in enumerate(first)
        for j, row in enumerate(rows)
        for k, column in enumerate(columns)
    ]


def _numbers(values: np.ndarray) -> str:
    return " ".join(repr(float(value)) for value in values)


@given(written())
def test_what_was_written_is_read(drawn: Written) -> None:
    """Transitions, observations, expected rewards, start and discount, but for rounding."""
    found = read(drawn.text)
    for field in _FIELDS:
        expected = getattr(drawn.model, field)
        np.testing.assert_allclose(getattr(found, field), expected, atol=1e-12, err_msg=field)
    assert found.discount == drawn.model.discount


def assert_read_or_refused(text: str) -> None:
    """Read a text; a refusal is one sentence that names the file, and the line if there is one."""
    found, refusal = attempt(lambda: read(text))
    if not refusal:
        np.testing.assert_allclose(found.transition.sum(-1), 1.0)
        np.testing.assert_allclose(found.observation.sum(-1), 1.0)
        return
    # What only the whole model shows has no line, but names an entry.
    entry = r"(transition|observation|reward|start|discount)"
    named = re.search(rf"model\.pomdp(?:, line (\d+): |: {entry})", refusal)
    assert named, refusal
    assert named[1] is None or 1 <= int(named[1]) <= max(1, len(text.splitlines()))


@given(written(), st.floats(0.0, 1.0))
def test_cut_anywhere(drawn: Written, at: float) -> None:
    """What is left of a file is a model, or refused."""
    assert_read_or_refused(drawn.text[: int(at * len(drawn.text))])


STRANGE = st.sampled_from(
    ["", "*", ":", "::", "#", "0", "1", "7", "-1", "1e400", "nan", "0.5", "½", "²", "x", "T", "T:",
     "O :", "R:", "start", "start:", "start include:", "start exclude: *", "reset", "uniform",
     "identity", "states: 2", "discount", "values: cost", "\x0c", "1_0"]
)  # fmt: skip


@given(written(), st.floats(0.0, 1.0, exclude_max=True), STRANGE | st.text(max_size=3))
def test_another_token_anywhere(drawn: Written, at: float, token: str) -> None:
    """One token replaced, or one left out, gives a model, or is refused."""
    tokens = re.findall(r"\S+|\s+", drawn.text)
    places = [i for i, found in enumerate(tokens) if found.strip()]
    tokens[places[int(at * len(places))]] = token
    assert_read_or_refused("".join(tokens))


@given(st.lists(STRANGE | st.text(max_size=2), max_size=12).map(" ".join))
def test_any_words(text: str) -> None:
    """Files that were never models."""
    rest = "T: * identity\nO: * uniform\n"
    for whole in (text, PREAMBLE + text, PREAMBLE + rest + text):
        assert_read_or_refused(whole)
