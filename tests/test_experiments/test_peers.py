"""benchmark.py peers: ours and others by turns until the task is solved; others are made up."""

import functools
import json
import pathlib
import sys
import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import benchmark
import checkouts
from adqn_jax import envs
from adqn_jax.types import Inputs
from runs import call
from support.benchmarks import peers, purejaxql, purejaxrl
from support.benchmarks.checkouts import OlderEnvironment, Pieces
from support.benchmarks.contenders import PEERS, Player, Task

pytestmark = pytest.mark.usefixtures("own_folder")
MAKE = {"purejaxrl": checkouts.purejaxrl, "purejaxql": checkouts.purejaxql}


def _pieces(who: str, checkout: pathlib.Path, updates: int) -> tuple[Pieces, Any]:
    """Return a made-up trainer in pieces, and its train(key) as it is."""
    adapter, (env, env_params) = PEERS[who], envs.make("heavenhell-1")
    config = adapter.PUBLISHED | {"NUM_ENVS": 2, "NUM_STEPS": 3, "TOTAL_TIMESTEPS": 6 * updates}
    config |= {"HIDDEN_SIZE": 8} if who == "purejaxql" else {}

    def make_train(module: Any) -> Any:
        return adapter.make_train(module, env, env_params, config)

    module = adapter.load(checkout)
    return Pieces(module, lambda: make_train(module)), make_train(adapter.load(checkout))


@pytest.mark.parametrize("who", PEERS)
def test_pieces_are_the_whole(who: str, tmp_path: pathlib.Path) -> None:
    """A run that is stopped at log points ends as one that is not."""
    pieces, train = _pieces(who, MAKE[who](tmp_path), updates=2)
    key = jax.random.PRNGKey(7)
    advance = jax.jit(pieces.advance, static_argnums=1)
    leaves = advance(advance(jax.jit(pieces.init)(key), 1), 1)
    whole = jax.tree.leaves(jax.jit(lambda key: train(key)["runner_state"])(key))
    assert len(leaves) == len(whole) > 10
    for one, other in zip(leaves, whole, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_another_program(tmp_path: pathlib.Path) -> None:
    """A trainer without the scan is refused in a sentence."""
    file = MAKE["purejaxql"](tmp_path) / "purejaxql" / "pqn_rnn_gymnax.py"
    file.write_text(file.read_text().replace("_update_step", "_other_step"))
    pieces, _ = _pieces("purejaxql", tmp_path, updates=1)
    with pytest.raises(ValueError, match="has no single scan over a function _update_step"):
        jax.eval_shape(pieces.init, jax.random.PRNGKey(0))


def test_greedy_actions() -> None:
    """Those of the largest values; purejaxql is told of the action before, too."""
    told = []

    def network(variables: Any, memory: Any, *rows: Any, train: bool) -> Any:
        told.append((variables, train, [row.tolist() for row in rows]))
        return memory + 1, SCORES

    learned = types.SimpleNamespace(apply_fn=network, params="weights", batch_stats={})
    action, memory = _player(purejaxql.greedy, (learned,))
    assert action.tolist() == [1, 0]
    assert memory.tolist() == [[1.0] * 4] * 2
    rows = [SEEN, [[True, False]], [[1, 1]]]
    assert told == [({"params": "weights", "batch_stats": {}}, False, rows)]


def test_likeliest_and_drawn_actions() -> None:
    """Of a policy with probabilities; it is told of observations and of where episodes begin."""
    told = []

    def network(weights: Any, memory: Any, rows: Any) -> Any:
        told.append((weights, [row.tolist() for row in rows]))
        return memory + 1, types.SimpleNamespace(logits=SCORES), None

    state = (types.SimpleNamespace(apply_fn=network, params="weights"),)
    action, memory = _player(purejaxrl.greedy, state)
    assert action.tolist() == [1, 0]
    assert memory.tolist() == [[1.0] * 4] * 2
    assert told == [("weights", [SEEN, [[True, False]]])]
    drawn = [_player(purejaxrl.drawn, state, seed)[0].tolist() for seed in range(200)]
    shares = np.mean([x[0] == 1 for x in drawn]), np.mean([x[1] == 0 for x in drawn])
    np.testing.assert_allclose(shares, np.exp([3.0, 2.0]) / [23.8, 11.1], atol=0.1)


SCORES = jnp.float32([[[0.0, 3.0, 1.0], [2.0, 0.0, 1.0]]])
SEEN = [[[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]  # of the observations 2 and 0, of three


def _player(way: Any, state: Any, seed: int = 0) -> tuple[Any, Any]:
    """Let a policy act once in two streams, of which the first begins an episode."""
    player = Player(functools.partial(way, state), lambda x: jax.nn.one_hot(x, 3), 4)
    inputs = Inputs(jnp.array([2, 0]), None, jnp.array([1, 1]), jnp.array([True, False]))
    return player.act(None, player.memory(2), inputs, jax.random.key(seed))[:2]


def test_a_log_point(tmp_path: pathlib.Path) -> None:
    """A line for the settings, one for each log point; returns are those of our own episodes."""
    checkout = MAKE["purejaxql"](tmp_path)
    words = ("--contender", "purejaxql", "--env", "heavenhell-1", "--checkout", str(checkout))
    words += ("--seeds", "2", "--change", "NUM_ENVS=4", "NUM_STEPS=30", "TOTAL_TIMESTEPS=24000")
    ended = call(benchmark.main, "contender", *words, "HIDDEN_SIZE=8", "LR=0")
    assert ended.code == 0, ended.err
    first, *log = map(json.loads, ended.out.splitlines())
    assert first["settings"] == purejaxql.PUBLISHED | purejaxql.TUNED | {
        "NUM_ENVS": 4, "NUM_STEPS": 30, "TOTAL_TIMESTEPS": 24000, "HIDDEN_SIZE": 8, "LR": 0
    }  # fmt: skip
    assert first["compile_seconds"] > 0
    assert [at["timesteps"] for at in log] == [12000, 24000]
    for before, at in zip([{"seconds": 0.0}, *log], log, strict=False):
        assert before["seconds"] < at["seconds"] == at["training_seconds"]
        assert at["evaluation_seconds"] > 0
        assert at["peak_bytes"] > 1e7
        assert len(at["returns"]) == 2
        assert np.abs(at["returns"]).max() <= 1


LOG = [
    {"timesteps": 1000, "seconds": 1.5, "returns": [0.5, 1.0]},
    {"timesteps": 2000, "seconds": 3.0, "returns": [0.8, 1.0]},
    {"timesteps": 3000, "seconds": 4.5, "returns": [0.95, 0.1]},
]
LOG = [at | {"training_seconds": 2.0 * at["timesteps"] / 1000, "peak_bytes": 2e9} for at in LOG]


def _row(who: str, log: list[Any], compiling: float = 10.0) -> dict[str, Any]:
    about = {"env": "carflag", "contender": who, "root": 0, "compile_seconds": compiling}
    return about | peers.measures(log, 2) | {"log": log}


def test_measures() -> None:
    """The mean over seeds counts from when it first was 0.9, and each seed from when it was."""
    found = peers.measures(LOG, 2)
    assert found["reached"] == {"timesteps": 2000, "seconds": 3.0}
    assert found["seeds_reached"] == [
        {"timesteps": 3000, "seconds": 4.5}, {"timesteps": 1000, "seconds": 1.5}
    ]  # fmt: skip
    assert found["steps_per_second"] == 2 * 3000 / 6.0
    assert found["peak_bytes"] == 2e9
    early = peers.measures(LOG[:1], 2)
    assert early["reached"] is None
    assert early["seeds_reached"] == [None, {"timesteps": 1000, "seconds": 1.5}]


def test_table() -> None:
    """Medians over rounds, of which one that ends before takes longer than any."""
    slow = [at | {"seconds": 10 * at["seconds"]} for at in LOG]
    results = {"peers": [
        _row("adqn-vr", LOG), _row("purejaxrl", slow), _row("purejaxql", LOG[:1]),
        _row("adqn-vr", LOG, 20.0), _row("purejaxrl", slow), _row("purejaxql", slow),
        _row("adqn-vr", LOG[:1], 21.0), _row("purejaxrl", LOG), _row("purejaxql", slow[:1]),
    ]}  # fmt: skip
    cells = [line.split(" | ")[1:6] for line in peers.table(results).splitlines()[2:]]
    assert cells == [
        ["`adqn-vr`", "3", "1.00", "2,000", "5 of 6"],
        ["`purejaxrl`", "30", "10.00", "2,000", "6 of 6"],
        ["`purejaxql`", "not within 2", "more than 0.5", "not within 1,000", "4 of 6"],
    ]
    assert "| 20 s | 1,000 | 2.0 GB |" in peers.table(results).splitlines()[2]
    path = pathlib.Path("peers.json")
    path.write_text(json.dumps(results))
    ended = call(benchmark.main, "peers-table", "--json", str(path))
    assert (ended.code, ended.out.strip()) == (0, peers.table(results).strip())


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("print('{}', flush=True); sys.exit('error: it is full')", "failed: it is full"),
        ("print('{}'); print(line); sys.exit('broken')", "failed: broken"),
        (
            "print('{}', flush=True); time.sleep(60)",
            "failed: it has reached no log point within 1 s",
        ),
    ],
)
def test_one_that_fails(program: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence says which, and why; one that hangs is stopped."""
    _stand_in(program, monkeypatch)
    with pytest.raises(ValueError, match=f"^adqn-vr on carflag {message}$"):
        peers.run(Task("adqn-vr", "carflag", seeds=2, seconds=0.5))


def test_one_whose_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has reached so far counts."""
    _stand_in("print('{}'); print(line, flush=True); time.sleep(60)", monkeypatch)
    found = peers.run(Task("adqn-vr", "carflag", seeds=2, seconds=0.5))
    assert found["log"] == LOG[:1]
    assert found["reached"] is None


def _stand_in(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small program take the place of a contender."""
    text = f"import sys, time\nline = {json.dumps(LOG[0])!r}\n{program}\n"
    pathlib.Path("stand_in.py").write_text(text)
    monkeypatch.setattr(peers, "_COMMAND", pathlib.Path("stand_in.py").absolute())
    monkeypatch.setattr(peers, "_SPARE_SECONDS", 0.7)


def test_by_turns(tmp_path: pathlib.Path) -> None:
    """Ours and a peer, in processes of their own, as JSON and as a table."""
    checkout = MAKE["purejaxrl"](tmp_path)
    words = ("--purejaxrl", str(checkout), "--names", "heavenhell-1", "--seeds", "2")
    ended = call(benchmark.main, "peers", *words, "--seconds", "1e-6", "--json", "peers.json")
    assert ended.code == 0, ended.err
    written = json.loads(pathlib.Path("peers.json").read_text())
    assert written["made_with"]["device"]
    assert written["files"]["purejaxrl"].startswith("ppo_rnn.py, SHA-256 ")
    assert [row["contender"] for row in written["peers"]] == ["adqn-vr", "purejaxrl"]
    for row in written["peers"]:
        assert [len(at["returns"]) for at in row["log"]] == [2]
        assert row["steps_per_second"] > 0
    assert peers.table(peers.read(pathlib.Path("peers.json"))) in ended.out


def test_no_module_stays_behind(tmp_path: pathlib.Path) -> None:
    """Neither of the checkout nor of those that stand in."""
    before = set(sys.modules)
    purejaxql.load(MAKE["purejaxql"](tmp_path))
    assert not {"hydra", "omegaconf", "pqn_rnn_gymnax"} & (set(sys.modules) - before)


def test_boxes_are_flat() -> None:
    """A peer sees a vector, whatever the shape of the Box."""
    env, params = envs.make("tigerdoor:image")
    older = OlderEnvironment(env, params)
    seen, _ = older.reset(jax.random.key(0), params)
    size = int(np.prod(env.observation_space(params).shape))
    assert seen.shape == older.observation_space(params).shape == (size,)
