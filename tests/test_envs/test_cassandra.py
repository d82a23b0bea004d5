"""The reader of .pomdp files."""

import pathlib
from typing import Any

import jax
import numpy as np
import pytest

from adqn_jax import envs
from adqn_jax.envs import read_pomdp
from adqn_jax.envs.pomdp import tiger
from models import PREAMBLE, REST, TIGER

CASES = pathlib.Path(__file__).parents[1] / "cases"


def read(tmp_path: pathlib.Path, text: str, **options: Any) -> Any:
    """Read a text as a file."""
    path = tmp_path / "model.pomdp"
    path.write_text(text)
    return read_pomdp(path, **options)


def test_tiger(tmp_path: pathlib.Path) -> None:
    """The usual file is the model that is built by name."""
    model, known = read(tmp_path, TIGER), tiger()
    for field in ("transition", "observation", "reward", "start", "terminal"):
        np.testing.assert_allclose(getattr(model, field), getattr(known, field), atol=1e-15)
    assert (model.discount, model.name) == (0.95, "model")


def test_costs_are_negative_rewards(tmp_path: pathlib.Path) -> None:
    """`values: cost` turns every sign."""
    costs = read(tmp_path, TIGER.replace("values: reward", "values: cost"))
    np.testing.assert_allclose(costs.reward, -tiger().reward)


def test_every_form_of_transitions(tmp_path: pathlib.Path) -> None:
    """Matrices, rows, single entries and wildcards; the later statement wins."""
    text = f"""{PREAMBLE}
    T: go
    0.1 0.2 0.7
    1 0 0   # a matrix may begin here
    0 0 1
    T: go : 1 : * 0.0
    T: go : 1 : 2 1.0
    T: stay : * 0.5 0.5 0
    T: stay : 2 uniform
    T : 1 : 0 : 0 0.25 T: 1:0:1 0.75 T:1:0:2 0
    O: * uniform"""
    model = read(tmp_path, text)
    go = [[0.1, 0.2, 0.7], [0, 0, 1], [0, 0, 1]]
    stay = [[0.25, 0.75, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(model.transition, np.stack([go, stay], axis=1), atol=1e-15)


def test_every_form_of_observations(tmp_path: pathlib.Path) -> None:
    """The same of O, whose rows are next states."""
    text = f"""{PREAMBLE} T: * identity
    O: go
    0.1 0.9  0.2 0.8
    0.3 0.7
    O: stay uniform
    O: stay : 1 0.4 0.6
    O: * : 2 : dim 1
    O: * : 2 : lit 0
    """
    model = read(tmp_path, text)
    go, stay = [[0.1, 0.9], [0.2, 0.8], [1, 0]], [[0.5, 0.5], [0.4, 0.6], [1, 0]]
    np.testing.assert_allclose(model.observation, [go, stay], atol=1e-15)


def test_every_form_of_rewards(tmp_path: pathlib.Path) -> None:
    """Entries, rows and matrices, averaged over next states and observations."""
    text = f"""{PREAMBLE}
    T: go uniform
    T: stay identity
    O: * : * 0.25 0.75
    R: * : * : * : * 8
    R: go : 0
    0 4  4 0  0 0
    R: go : 1 : 2
    -4 4.0
    R: stay : 2 : 2 : lit +1e1
    R: stay : 2 : 1 : * 1000
    """
    expected = [
        [(0.75 * 4 + 0.25 * 4) / 3, 8],
        [(8 + 8 + (-0.25 * 4 + 0.75 * 4)) / 3, 8],
        [8, 0.25 * 8 + 0.75 * 10],  # what cannot happen costs nothing
    ]
    np.testing.assert_allclose(read(tmp_path, text).reward, expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", [1 / 3, 1 / 3, 1 / 3]),
        ("start: uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("start: 0.2 0.3 0.5", [0.2, 0.3, 0.5]),
        ("start: 0.33333 0.33333 0.33333", [1 / 3, 1 / 3, 1 / 3]),
        ("start: 2", [0, 0, 1]),
        ("start include: 0 2", [0.5, 0, 0.5]),
        ("start exclude: 1 2", [1, 0, 0]),
    ],
)
def test_every_form_of_start(line: str, expected: list[float], tmp_path: pathlib.Path) -> None:
    """Probabilities, one state, or those listed or not listed; uniform by default."""
    model = read(tmp_path, f"{PREAMBLE}{line}\n{REST}")
    np.testing.assert_allclose(model.start, expected, atol=1e-15)


def test_reset_starts_anew_or_ends(tmp_path: pathlib.Path) -> None:
    """As in pomdp-solve the process goes on; as an episode it is over."""
    resets = "T: go : 2 reset\nT: stay : 1 reset\nT: stay : 1 uniform\n"
    text = f"{PREAMBLE}start: 0.2 0.3 0.5\n{REST}{resets}"
    goes_on, ends = read(tmp_path, text), read(tmp_path, text, episodic=True)
    np.testing.assert_allclose(goes_on.transition[2, 0], [0.2, 0.3, 0.5])
    assert not goes_on.terminal.any()
    np.testing.assert_array_equal(ends.terminal, [[False, False], [False, False], [True, False]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PREAMBLE + "T: go : 7 uniform", "line 6: '7' is none of the states"),
        (PREAMBLE + "T: run uniform", "line 6: 'run' is none of the actions"),
        (PREAMBLE + "T: go\n1 0 0\n0 1 0\n0 0", "line 9: expected 9 numbers or 'uniform' or"),
        (PREAMBLE + "T: go : 0 identity", "line 6: expected a number, got 'identity'"),
        (PREAMBLE + "T: go : 0 : 1 inf", "line 6: inf is not finite"),
        (PREAMBLE + "R: go 3", "line 6: expected ':', got '3'"),
        (PREAMBLE + REST + "states: 4", "line 9: 'states' must come before start, T, O and R"),
        (PREAMBLE + REST + "oops: 4", "line 9: unknown keyword 'oops'; known are discount"),
        (PREAMBLE + "start exclude: 0 1 2\n" + REST, "line 6: no state is left to start from"),
        (PREAMBLE + "start: 0.5 0.5\n" + REST, "line 6: expected 3 numbers or 'uniform', got 2"),
        (PREAMBLE.replace("go stay", "go go") + REST, "line 4: actions must be a number of at"),
        (PREAMBLE.replace("go stay", "go 2nd") + REST, "line 4: a name must begin with a letter"),
        (PREAMBLE.replace("reward", "profit") + REST, "line 2: values are 'reward' or 'cost'"),
        (PREAMBLE.replace("0.5", "1.5") + REST, "discount must be at least 0 and at most 1"),
        ("discount: 0.5\n" + REST, "line 2: 'values' must be declared before start, T, O and R"),
        ("", "line 1: 'discount' must be declared"),
        ("T", "line 1: expected one of discount, .* and a colon, got 'T'"),
        (
            PREAMBLE + REST + "T: go : 1 : 1 0.5",
            r"transition\[1, 0\] must sum to 1, it sums to 0.5",
        ),
        (PREAMBLE + "T:", "line 6: expected 'more', got 'the end of the file'"),
        (PREAMBLE.replace("values", "costs") + REST, "line 2: unknown keyword 'costs'; known are"),
        (PREAMBLE.replace("3", "900000000") + REST, "at most 1,000,000 states can be read"),
        (
            PREAMBLE.replace("states: 3", "states: 300000") + REST,
            r"300000 states, 2 actions and 2 observations need .* GiB of memory, and there are",
        ),
    ],
)
def test_errors_name_file_and_line(text: str, message: str, tmp_path: pathlib.Path) -> None:
    """One sentence says where and what."""
    with pytest.raises(ValueError, match=rf"^.*model\.pomdp(,|:) .*{message}") as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    """Missing, or no text."""
    with pytest.raises(ValueError, match=r"cannot read .*: No such file"):
        read_pomdp(tmp_path / "missing.pomdp")
    (tmp_path / "binary.pomdp").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ValueError, match=r"cannot read .*: it is no text"):
        read_pomdp(tmp_path / "binary.pomdp")


@pytest.mark.parametrize(
    "reward",
    ["R:*:*:*:*-1", "R: * : * : * : * - 1", "R : * :*: * : *\n-\n1", "R: * : * : * : * -1.0e0"],
)
def test_signs_stand_where_they_like(reward: str, tmp_path: pathlib.Path) -> None:
    """As the reference scanner has them: tokens of their own, with or without space around."""
    model = read(tmp_path, PREAMBLE + REST.replace("R: * : * : * : * 0", reward))
    np.testing.assert_array_equal(model.reward, -1.0)


def test_encodings(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark of byte order, a comment in another encoding, and a path from home are read."""
    read_pomdp(CASES / "latin1-comment.pomdp")
    path = tmp_path / "marked.pomdp"
    path.write_bytes(b"\xef\xbb\xbf" + (PREAMBLE + REST).encode())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_pomdp("~/marked.pomdp").num_states == 3
    path.write_bytes((PREAMBLE + REST).encode() + b"\xe9: 3")
    with pytest.raises(ValueError, match=r"cannot read .*: it is no text \(line 9\)"):
        read_pomdp(path)


def test_plurals(tmp_path: pathlib.Path) -> None:
    """`values: rewards` is what some files say."""
    for word, sign in (("rewards", 1.0), ("costs", -1.0)):
        text = PREAMBLE.replace("reward", word) + REST.replace("* 0", "* 2")
        np.testing.assert_array_equal(read(tmp_path, text).reward, 2.0 * sign)


def test_two_files_of_one_shape() -> None:
    """Played in one process, each is itself."""
    played = []
    for name in ("a", "b"):
        env, params = envs.make(f"pomdp:{CASES / f'{name}.pomdp'}")
        _, state = env.reset(jax.random.key(0), params)
        reward = env.step(jax.random.key(1), state, 0, params)[2]
        played.append((int(state.state), float(reward)))
    assert played == [(0, 1.0), (1, 7.0)]
