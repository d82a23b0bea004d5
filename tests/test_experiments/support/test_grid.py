"""Values in a grid mean what they mean on the command line of run.py."""

import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqn_jax import Config, save_policy
from drawn import values
from policies import expert
from refusals import attempt
from runs import ROOT
from support import options
from support.grid import Axis, _axis, _words, candidates

KINDS = Config.part_types()
PARTS = {name: part for part, kind in KINDS.items() for name in kind.__dataclass_fields__}


@st.composite
def settings_of_a_field(draw: Any) -> tuple[str, Any]:
    """Draw a field and a value of it; a grid has no word for an empty tuple."""
    name = draw(st.sampled_from(sorted(PARTS)))
    return name, draw(values(KINDS[PARTS[name]], name).filter(lambda value: value != ()))


def text_of(value: Any) -> str:
    """Write a value as a grid does."""
    if isinstance(value, bool):
        return str(value).lower()
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


@given(settings_of_a_field())
@settings(max_examples=25)
def test_a_value_becomes_its_words(setting: tuple[str, Any]) -> None:
    """Of every kind of option: read by `parse`, they set this field to this value."""
    name, value = setting
    option = name.replace("_", "-")
    axis = _axis(f"{name}={text_of(value)}")
    assert axis == Axis(option, (text_of(value),))
    args = options.parse(_words(option, *axis.values))
    assert args.config == options.parse([]).config.replace(**{name: value})


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=3, unique=True),
    st.lists(st.lists(st.integers(1, 64), min_size=1, max_size=3), min_size=1, max_size=2),
)
@settings(max_examples=10)
def test_points_are_all_combinations(rates: list[float], sizes: list[list[int]]) -> None:
    """In the order of the options and of their values; each point says what it is."""
    heads = list(dict.fromkeys(map(tuple, sizes)))
    texts = [
        f"learning-rate={','.join(map(str, rates))}",
        f"head_sizes={','.join(map(text_of, heads))}",
    ]
    points = candidates(("--env", "heavenhell-1"), texts, None, 0)
    found = [(p.args.config.hyper.learning_rate, p.args.config.network.head_sizes) for p in points]
    assert found == [(rate, head) for rate in rates for head in heads]
    for point, (rate, head) in zip(points, found, strict=True):
        assert point.label == f"learning-rate={rate},head-sizes={text_of(head)}"
        assert point.experiment.config == point.args.config
    assert len({point.program for point in points}) == len(heads)


@given(st.floats(1e-12, 1e6), st.floats(1.0, 1e6, exclude_min=True), st.integers(0, 2**32 - 1))
def test_draws_stay_within_their_bounds(low: float, factor: float, seed: int) -> None:
    """However narrow the range is."""
    axis = _axis(f"learning-rate={low}..{low * factor}") if low * factor > low else None
    if axis is None:
        return
    rng = np.random.default_rng(seed)
    drawn = [float(axis.draw(rng)) for _ in range(5)]
    assert all(low <= value <= low * factor for value in drawn)
    assert [float(axis.draw(np.random.default_rng(seed)))] == drawn[:1]


@given(st.text("=,.x019ae-+ ", max_size=12))
def test_strange_ranges_are_refused(text: str) -> None:
    """An option's text is refused in one sentence, or becomes an axis that has values."""
    axis, refusal = attempt(lambda: _axis(f"learning-rate={text}"))
    if not refusal:
        assert axis.option == "learning-rate"
        assert axis.size >= 1
        assert (axis.bounds is None) == (".." not in text)


def test_flags_are_true_or_false() -> None:
    """And nothing else."""
    assert _words("scale-boxes", "false") == ["--no-scale-boxes"]
    with pytest.raises(ValueError, match="must be true or false"):
        _words("scale-boxes", "False")


def write_env(path: pathlib.Path) -> None:
    """Write a POMDP."""
    shutil.copy(ROOT / "tests" / "cases" / "a.pomdp", path)


def write_expert(path: pathlib.Path) -> None:
    """Write what a student can learn from."""
    save_policy(path, expert("carflag"))


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize(
    ("common", "one", "other", "write"),
    [
        ((), "env=pomdp:m/a", "env=pomdp:m_a", write_env),
        (("--algo", "ail"), "expert=m/a", "expert=m_a", write_expert),
    ],
)
def test_points_have_folders_of_their_own(
    common: tuple[str, ...], one: str, other: str, write: Callable[[pathlib.Path], None]
) -> None:
    """The second would overwrite the first where their names differ in separators alone."""
    pathlib.Path("m").mkdir()
    for name in ("m/a", "m_a"):
        write(pathlib.Path(name))
    _, refusal = attempt(lambda: candidates(common, [f"{one},{other.partition('=')[2]}"], None, 0))
    named = other.replace(":", "_")
    assert refusal.startswith(f"{one} and {other} would share the folder {named}:")
