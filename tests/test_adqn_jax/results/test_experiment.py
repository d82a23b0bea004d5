"""config.json: the way there and back, and what may differ when a run is resumed."""

import dataclasses
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqn_jax import Config, families
from adqn_jax.results import experiment
from adqn_jax.results.experiment import Experiment
from drawn import configs

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
EXPERIMENTS = st.builds(
    Experiment,
    env=st.text(),
    env_settings=st.dictionaries(st.text(), JSON, max_size=3),
    observe=st.sampled_from(["observation", "state"]),
    seeds=st.integers(1, 1000),
    seed=st.integers(0, 2**32 - 1),
    config=configs(),
)
ONE = Experiment("carflag", {"size": [1, 2]}, "observation", 3, 0, Config("dqn"))


@given(EXPERIMENTS)
def test_json_and_back(drawn: Experiment) -> None:
    """Text gives back an equal experiment."""
    assert Experiment.from_json(json.loads(json.dumps(drawn.to_json()))) == drawn


@given(EXPERIMENTS, EXPERIMENTS)
def test_files_and_records(one: Experiment, other: Experiment) -> None:
    """A resumed run's settings are compared name by name: equal ones pass, others are named."""
    before, now = one.to_json(), other.to_json()
    experiment.refuse_differences(experiment.flat(before), before)
    longer = before | {"train": now["train"]}
    changed = {
        name
        for name in before["train"].keys() - {"total_timesteps"}
        if before["train"][name] != now["train"][name]
    }
    totals = [run["train"]["total_timesteps"] for run in (before, now)]
    anneals = before["hyper"]["rate_end"] != 1.0 and totals[0] != totals[1]
    less = totals[1] < totals[0] or anneals
    if not changed and not less:
        experiment.refuse_differences(experiment.flat(before), longer)
        return
    with pytest.raises(ValueError, match=r"the run to resume has train\.(\w+) ") as error:
        experiment.refuse_differences(experiment.flat(before), longer)
    named = str(error.value).split("train.")[1].split()[0]
    assert named in changed | ({"total_timesteps"} if less else set())


def test_a_folder_gives_back_what_was_written(tmp_path: pathlib.Path) -> None:
    """As an experiment, and as a flat record with what made it; nothing else is left there."""
    experiment.write(tmp_path, ONE.to_json())
    assert experiment.read(tmp_path) == ONE
    run, made_with = experiment.read_record(tmp_path)
    assert run["hyper.discount"] == ONE.config.hyper.discount
    assert run["env_settings.size"] == [1, 2]
    assert {"jax", "commit", "device"} <= made_with.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_what_is_not_read_decides_nothing(tmp_path: pathlib.Path) -> None:
    """A run of a version without some part is the same as one that does not read it."""
    now = dataclasses.replace(ONE, config=ONE.config.replace(value_most=1.0, priority_alpha=0.3))
    older = ONE.to_json()
    del older["heads"], older["hyper"]["priority_alpha"], older["train"]["replay"]
    assert older != now.to_json()
    experiment.write(tmp_path, older)
    before, _ = experiment.read_record(tmp_path)
    experiment.refuse_differences(before, experiment.decided(now.to_json()))
    assert experiment.read(tmp_path).settled() == now.settled()
    reads = dataclasses.replace(now, config=now.config.replace(replay="prioritised"))
    with pytest.raises(ValueError, match="priority_alpha"):
        experiment.refuse_differences(before, experiment.decided(reads.to_json()))


@pytest.mark.parametrize("algorithm", [*families.algorithms()])
def test_what_is_not_read_has_the_family_s_default(algorithm: str) -> None:
    """An expert has no memory, and is not said to have that of another family."""
    config = families.family_of(algorithm).config(algorithm)
    assert families.settled(config) == config


def test_a_longer_run_that_anneals_is_another() -> None:
    """Its step size would have fallen later from the beginning."""
    for config, same in ((Config("dqn"), True), (Config("dqn").replace(rate_end=0.5), False)):
        run = dataclasses.replace(ONE, config=config)
        longer = dataclasses.replace(run, config=config.replace(total_timesteps=3_000_000))
        begun = experiment.as_json({"one": run}), experiment.as_json({"one": longer})
        for before, now in ((run.to_json(), longer.to_json()), begun):
            if same:
                experiment.refuse_differences(experiment.flat(before), now)
                continue
            with pytest.raises(ValueError, match="step size falls until then"):
                experiment.refuse_differences(experiment.flat(before), now)


def test_several_points_are_kept_in_order() -> None:
    """As they lie side by side, whatever their names."""
    points = {"b": ONE, "a": dataclasses.replace(ONE, seed=1)}
    described = experiment.as_json(points)
    assert described["order"] == ["b", "a"]
    assert {n: Experiment.from_json(p) for n, p in described["points"].items()} == points


@pytest.mark.parametrize(
    "change",
    [{"algorithm": "sarsa"}, {"env": 3}, {"hyper": None}, {"hyper": {"joy": 1}}, {"seeds": None}],
)
def test_other_content_is_refused(change: dict[str, Any], tmp_path: pathlib.Path) -> None:
    """One sentence names the file, whatever is wrong with it."""
    run = {name: value for name, value in (ONE.to_json() | change).items() if value is not None}
    (tmp_path / "config.json").write_text(json.dumps({"run": run}))
    with pytest.raises(ValueError, match=r"config\.json is not what run\.py writes$"):
        experiment.read(tmp_path)


@pytest.mark.parametrize("read", [experiment.read, experiment.read_both, experiment.read_record])
def test_an_unreadable_disk_is_no_other_content(read: Any, tmp_path: pathlib.Path) -> None:
    """It is an error that names the file, and no reason to start anew."""
    (tmp_path / "config.json").symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error") as error:
        read(tmp_path)
    assert error.value.filename == str(tmp_path / "config.json")


@given(st.text())
def test_any_name_names_one_file(name: str) -> None:
    """Separators of paths become underscores."""
    assert not {":", "/", "\\"} & set(experiment.file_name(name))
    assert len(experiment.file_name(name)) == len(name)
