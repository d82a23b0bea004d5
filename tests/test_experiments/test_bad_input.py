"""Wrong invocations of every script: exit code 2, one sentence that helps, nothing changed on disk.

Pictures of wrong policies are in test_render.py.
"""

import json
import pathlib
import shutil

import pytest

import benchmark
import plot
import render
import run
import sweep
from adqn_jax import Config
from adqn_jax.results.experiment import Experiment
from runs import FOLDER, WORDS, call, files_of

SCRIPTS = {
    "run.py": run.main,
    "plot.py": plot.main,
    "render.py": render.main,
    "benchmark.py": benchmark.main,
    "sweep.py": sweep.main,
}
CARFLAG = Experiment("carflag", {}, "observation", 1, 0, Config("dqn")).to_json()
STRANGE = CARFLAG | {"algorithm": "sarsa"}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder of files that are wrong in one way or another; nothing may change it."""
    folder = tmp_path_factory.mktemp("wrong")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _write_wrong_files()
    return folder


def _write_wrong_files() -> None:
    pathlib.Path("file.txt").write_text("a file, where a folder is needed")
    pathlib.Path("maze.txt").write_text("###\n#.\n")
    pathlib.Path("letters.txt").write_text("#####\n#.x.#\n#####\n")
    metrics = {
        "empty": "",
        "head": "seed,timesteps,eval_return\n",
        "ragged": "seed,timesteps,eval_return\n0,1,2\n1,1,2\n0,2,3\n",
        "words": "seed,timesteps,eval_return\n0,one,2\n",
        "mixed": "seed,timesteps,eval_return\n0,1,2\n0,2,3\n1,1,2\n0,3,3\n",
        "columns": "seed,timesteps\n0,1\n",
        "good": "seed,timesteps,eval_return\n0,1,2\n",
        "bytes": "\xff\xfe\x00",
    }
    for name, content in metrics.items():
        folder = pathlib.Path("a", "b", name)
        folder.mkdir(parents=True)
        (folder / "metrics.csv").write_text(content, encoding="latin-1")
        (folder / "config.json").write_text(json.dumps({"run": CARFLAG}))
    for name, config in (("mute", "{}"), ("strange", json.dumps({"run": STRANGE}))):
        shutil.copytree("a/b/good", f"a/b/{name}")
        pathlib.Path("a", "b", name, "config.json").write_text(config)
    configs = {
        "text": "mine",
        "list": "[]",
        "bare": "{}",
        "other": json.dumps({"run": {"env": "carflag"}, "made_with": {}}),
        "words": json.dumps({"run": {"train": {"total_timesteps": "many"}}, "made_with": {}}),
    }
    for name, content in configs.items():
        (FOLDER / name).mkdir(parents=True)
        (FOLDER / name / "config.json").write_text(content)
    (FOLDER / "notes").mkdir()
    (FOLDER / "notes" / "notes.txt").write_text("mine")
    (FOLDER / "folder" / "config.json").mkdir(parents=True)
    (FOLDER / "file").write_text("")


RUN = [
    ("--env nothing", "unknown environment 'nothing'; known are carflag"),
    ("--env heavenhell-0", "heavenhell"),
    ("--env heavenhell-x", "unknown environment 'heavenhell-x'"),
    ("--env cleaner:6x7", "odd sizes of 3 to 127, got 6 x 7"),
    ("--env cleaner:nowhere.txt", "cannot read a maze from 'nowhere.txt'"),
    ("--env cleaner:.", "cannot read a maze from '.'"),
    ("--env cleaner:maze.txt", "maze"),
    ("--env cleaner:letters.txt", "maze"),
    ("--env memory-four-rooms-7x7:blue", "two or more different colours"),
    ("--env memory-four-rooms-7x7:blue,pink", "unknown colours ['pink']; known are red"),
    ("--env memory-four-rooms-8x8", "odd size from 5 to 15, got 8"),
    ("--env foraging:0x8:1:1", "foraging needs 3 to 50 rows and columns, got 0x8"),
    ("--env foraging:8x8:1:1:walls", "options are sight=N, coop and levels, each once"),
    ("--env gymnax:Nothing", "Nothing"),
    (
        "--env gymnax:Pendulum-v1",
        "such are learnt of Discrete ones only; continuous ones",
    ),
    ("--env gymnax:CartPole-v1:9", "9"),
    ("--env gymnax:CartPole-v1:0,99999999999999999999", "must name entries 0..3 of CartPole-v1's"),
    ("--env gymnax:CartPole-v1:x", "x"),
    ("--env-param power", "--env-param takes NAME=NUMBER, each name once, got 'power'"),
    ("--env-param power=high", "--env-param takes NAME=NUMBER, each name once"),
    ("--env-param max-steps_in-episode=9 max_steps_in_episode=8", "each name once"),
    ("--env-param speed=1", "carflag has no parameter 'speed'; it has max_steps_in_episode"),
    ("--env-param max_steps_in_episode=2.5", "must be a whole number, got 2.5"),
    ("--env-param max_steps_in_episode=0", "has no time limit"),
    ("--algo sarsa", "unknown algorithm 'sarsa'; known are dqn, adqn"),
    ("--preset slow", "unknown preset 'slow'; known are fast, paper"),
    ("--sedes 3", "Unrecognized options: --sedes, 3; Perhaps you meant: --seeds INT"),
    ("extra words", "Unrecognized options: extra, words"),
    ("--seeds", "Missing value for argument '--seeds'"),
    ("--seeds 0", "seeds must be at least 1, got 0"),
    ("--seeds three", "Error parsing --seeds"),
    ("--seeds 3.5", "Error parsing --seeds"),
    ("--seed -1", "seed must be from 0 to 2^32 - 1, got -1"),
    ("--seed 4294967296", "seed must be from 0 to 2^32 - 1"),
    ("--name ../up", "name must be letters, digits"),
    ("--name a/b", "name must be letters, digits"),
    ("--name /tmp", "name must be letters, digits"),
    ("--name ..", "name must be letters, digits"),
    ("--name=", "name must be letters, digits"),
    ("--num-envs 0", "num_envs must be at least 1, got 0"),
    ("--total-timesteps -5", "total_timesteps must be at least 1, got -5"),
    ("--total-timesteps 2147483648", "counted up to 2^31: lower total_timesteps"),
    ("--num-envs 99999999999999999999", "num_envs must fit into 64 bits, got 99999999999999999999"),
    ("--history-size 99999999999999999999", "history_size must fit into 64 bits, got 99999"),
    ("--head-sizes 64 99999999999999999999", "head_sizes must fit into 64 bits each, got (64, 999"),
    ("--learning-rate 1e300", "learning_rate must fit into 32 bits, got 1e+300"),
    ("--target-period 1e-300", "target_period must fit into 32 bits, got 1e-300"),
    ("--env heavenhell-3 --history none --recall-weight 0.1", "recall_weight asks a memory"),
    ("--env carflag --history none --belief-weight 0.1", "belief_weight asks a memory"),
    ("--algo ppo --history none --belief-weight 0.1", "belief_weight asks a memory"),
    ("--discount 1.5", "discount must be at least 0 and at most 1, got 1.5"),
    ("--learning-rate nan", "learning_rate must be greater than 0, got nan"),
    ("--learning-rate fast", "Error parsing --learning-rate"),
    ("--adam-eps inf", "adam_eps must be greater than 0, got inf"),
    ("--return-lambda -0.1", "return_lambda must be at least 0 and at most 1, got -0.1"),
    ("--epsilon-start nan", "epsilon_start must be at least 0 and at most 1, got nan"),
    ("--epsilon-end 2", "epsilon_end must be at least 0 and at most 1, got 2"),
    ("--epsilon-timesteps 0", "epsilon_timesteps must be greater than 0, got 0"),
    ("--target-period nan", "target_period must be greater than 0, got nan"),
    ("--target-tau 0", "target_tau must be greater than 0 and at most 1, got 0"),
    ("--update-gate-bias nan", "update_gate_bias must be finite, got nan"),
    ("--action-scale 0", "action_scale must be greater than 0, got 0"),
    ("--output-scale -1", "output_scale must be at least 0, got -1"),
    ("--embedding-size 0", "embedding_size must be at least 1, got 0"),
    ("--head-sizes 8 0", "head_sizes must be at least 1 each, got (8, 0)"),
    ("--conv-channels 0", "conv_channels must be at least 1 each, got (0,)"),
    ("--head-sizes 8 x", "Error parsing --head-sizes"),
    ("--max-grad-norm -1", "max_grad_norm must be at least 0, got -1"),
    ("--eval-episodes 0", "eval_episodes must be at least 1, got 0"),
    ("--log-every 0", "log_every must be at least 1, got 0"),
    ("--n-step 0", "n_step must be at least 1, got 0"),
    ("--row-length -1", "row_length must be at least 0, got -1"),
    ("--time-limit never", "invalid choice 'never' for argument '--time-limit'"),
    ("--target sometimes", "invalid choice 'sometimes' for argument '--target'"),
    ("--select best", "invalid choice 'best' for argument '--select'"),
    ("--head duelling", "invalid choice 'duelling' for argument '--head'"),
    ("--values many", "invalid choice 'many' for argument '--values'"),
    ("--replay none", "with replay none, replay_ratio must be 1, got 2.5"),
    ("--replay none --replay-ratio 1 --average episode", "average must be transition"),
    ("--target none", "with target none, eval_params must be online"),
    ("--target none --eval-params online --bootstrap trust-region", "target must be periodic or"),
    ("--values categorical --value-least 1", "must be below value_most, got 1 and 1"),
    ("--values categorical --value-atoms 1", "at least 2 value_atoms, got 1"),
    ("--values quantile --value-atoms -1", "value_atoms must be at least 0, got -1"),
    ("--env heavenhell-7 --values categorical", "needs the range of discounted returns"),
    ("--priority-alpha 2", "priority_alpha must be at least 0 and at most 1, got 2"),
    ("--kappa 0", "kappa must be greater than 0, got 0"),
    ("--trust-alpha nan", "trust_alpha must be greater than 0, got nan"),
    ("--scale-boxes maybe", "maybe"),
    ("--buffer-timesteps 3000", "need 321, which is"),
    ("--warmup-timesteps 10", "warmup_timesteps must be at least"),
    ("--replay-ratio 0.0001", "raise replay_ratio"),
    ("--steps-per-iteration 1 --replay-ratio 3.3", "no whole number"),
    ("--average episode --row-length 10", "row_length must be at least 160, got 10"),
    ("--checkpoint-minutes 0", "checkpoint_minutes must be greater than 0"),
    ("--checkpoint-minutes nan", "checkpoint_minutes must be greater than 0, got nan"),
    ("--timeout 0", "timeout must be greater than 0, got 0"),
    ("--timeout nan", "timeout must be greater than 0, got nan"),
    ("--timeout soon", "Error parsing --timeout"),
    ("--log paper", "paper"),
    ("--resume", "nothing to resume: runs/carflag/adqn-vr/default holds no run"),
    ("--resume --dry-run --seeds 0", "seeds must be at least 1"),
    ("--resume --overwrite", "exclude each other"),
    ("--out /proc/nowhere", "cannot write to /proc/nowhere"),
    ("--out file.txt", "file.txt"),
]
#: Of the environment and algorithm whose folders `some_files` has filled.
FOLDERS = [
    ("--name text", "already holds a run: --resume goes on with it, --overwrite deletes it"),
    ("--name text --resume", "text/config.json is not what run.py writes"),
    ("--name list --resume", "list/config.json is not what run.py writes"),
    ("--name bare --resume", "bare/config.json is not what run.py writes"),
    ("--name folder --resume", "folder/config.json is not what run.py writes"),
    ("--name other --resume", "the run to resume has algorithm None, not adqn"),
    ("--name words --resume", "the run to resume has algorithm None, not adqn"),
    ("--name notes --resume", "nothing to resume"),
    ("--name notes --overwrite", "nothing to overwrite"),
    ("--name notes", "notes holds other files"),
    ("--name file", "file"),
]
PLOT = [
    ("", "name at least one run folder"),
    ("nowhere", "nowhere holds no run: it has no config.json"),
    ("a/b/mute", "mute/config.json is not what run.py writes"),
    ("a/b/strange", "strange/config.json is not what run.py writes"),
    ("a/b/good --metric joy", "has no metric 'joy'; it has seed, timesteps, eval_return"),
    ("file.txt", "file.txt holds no run"),
    ("a/b/empty", "empty/metrics.csv"),
    ("a/b/head", "head/metrics.csv must hold a row for each seed"),
    ("a/b/ragged", "ragged/metrics.csv must hold a row for each seed"),
    ("a/b/words", "words/metrics.csv"),
    (
        "a/b/mixed",
        "mixed/metrics.csv must hold the same log points for every seed",
    ),
    ("a/b/columns", "columns/metrics.csv"),
    ("a/b/bytes", "bytes/metrics.csv"),
    ("a/b/good --to file.txt/curves.png", "cannot write file.txt/curves.png: Not a directory"),
    ("a/b/good --to curves.xyz", "--to must end in "),
    ("a/b/good --to .", "--to must end in"),
    ("a/b/good --too x", "--too"),
]
RENDER = [
    ("--fps x", "Error parsing --fps"),
    ("--sed 1", "--sed"),
    ("--env carflag --frames 2.5", "Error parsing --frames"),
]
BENCHMARK = [
    ("", "envs, replay"),
    ("nothing", "nothing"),
    ("envs --names", "name at least one environment"),
    ("envs --copies 0", "numbers of copies of at least 1"),
    ("envs --copies x", "Error parsing --copies"),
    ("replay --algo sarsa", "unknown algorithm 'sarsa'"),
    ("replay --preset slow", "unknown preset 'slow'"),
    ("replay --names", "name at least one environment"),
    ("start --algos", "name at least one environment and one algorithm"),
    ("train --algo sarsa", "unknown algorithm 'sarsa'"),
    ("train --seeds 0", "seeds must be at least 1, got (0,)"),
    ("train --rows -1", "batch_rows must be at least 1, got -1"),
    ("scaling --seeds 2 0", "seeds must be at least 1, got (2, 0)"),
    ("cost --seeds 0", "seeds, steps and num_envs must be at least 1"),
    ("growth --steps 0", "seeds, steps and num_envs must be at least 1"),
    ("growth --axes rows", "axes must be some of seeds, num_envs, row_length"),
    ("growth --axes", "axes must be some of seeds, num_envs, row_length"),
    ("growth --factors 1", "factors must be at least 2, got (1,)"),
    ("draw --json file.txt", "file.txt is not what scaling or growth of benchmark.py write"),
    ("draw --json nowhere.json", "nowhere.json: No such file"),
    ("draw --json nowhere.json --to a.foo", "--to must end in "),
    ("reference --path nowhere", "nowhere is no checkout of asym-rlpo: it has no main_dqn.py"),
    ("reference --path . --rounds 0", "rounds must be at least 1, got 0"),
    (
        "ppo --purejaxrl nowhere",
        "nowhere is no checkout of purejaxrl: it has no purejaxrl/ppo_rnn",
    ),
    ("ppo --purejaxrl . --num-envs 6", "4 minibatches must divide num_envs, got 6"),
    ("ppo --purejaxrl . --steps 0", "steps and iterations must be at least 1"),
    ("ppo --purejaxrl . --seeds 0", "numbers of seeds, and rounds, must be at least 1"),
    ("ppo --purejaxrl . --names", "name an environment"),
    ("peers", "name environments, algorithms, a checkout of a peer, and rounds"),
    ("peers --purejaxrl . --rounds 0", "a checkout of a peer, and rounds"),
    ("peers --purejaxrl .", ". is no checkout of purejaxrl: it has no purejaxrl/ppo_rnn.py"),
    (
        "peers --purejaxql . --names heavenhell-1",
        ". is no checkout of purejaxql: it has no purejaxql/pqn_rnn_gymnax.py",
    ),
    ("peers --purejaxrl . --change A=1", "no setting A; known are LR"),
    ("peers --purejaxql . --names nothing", "unknown environment 'nothing'"),
    ("peers --purejaxql . --algos sarsa", "unknown algorithm 'sarsa'"),
    ("peers --purejaxql . --seconds 0", "seeds must be at least 1, and seconds more than 0"),
    ("contender --contender adqn --env carflag --seeds 0", "seeds must be at least 1"),
    ("contender --contender adqn --env carflag --change LR=1", "adqn is ours: --checkout and"),
    ("contender --contender purejaxrl --env carflag", "purejaxrl needs --checkout"),
    ("contender --contender purejaxrl --env carflag --checkout . --change LR", "got 'LR'"),
    ("contender --contender purejaxrl --env carflag --checkout . --change A=1", "no setting A;"),
    ("peers-table --json nowhere.json", "nowhere.json: No such file"),
    ("peers-table --json file.txt", "file.txt is not what benchmark.py peers --json writes"),
]
RATES = "--grid learning-rate=1e-3,1e-4"
SWEEP = [
    ("", "--grid"),
    ("--grid", "--grid must name an option and its values"),
    ("--grid learning-rate", "--grid needs option=value,value,... without gaps"),
    ("--grid learning-rate=", "--grid needs option=value,value,... without gaps"),
    ("--grid learning-rate=1e-3,,1e-4", "--grid needs option=value,value,... without gaps"),
    ("--grid =1", "--grid knows no option ''"),
    ("--grid lerning-rate=1e-3", "knows no option 'lerning-rate': it takes those that decide"),
    ("--grid seeds=1,2", "--grid knows no option 'seeds'"),
    ("--grid learning-rate=fast", "Error parsing --learning-rate"),
    ("--grid learning-rate=1e-3,1e-3", "learning-rate has 1e-3 twice in --grid"),
    ("--grid learning-rate=1e-3,0.001", "learning-rate=1e-3 and learning-rate=0.001 are the same"),
    ("--grid discount=0.9 discount=0.8", "discount is given twice"),
    ("--discount 0.9 --grid discount=0.8", "discount is given twice"),
    ("--no-scale-boxes --grid scale-boxes=true", "scale-boxes is given twice"),
    ("--grid learning-rate=1e-3,-1", "learning_rate must be greater than 0, got -1"),
    ("--grid head-sizes=8x0,8", "head_sizes must be at least 1 each, got (8, 0)"),
    ("--grid env=nothing", "unknown environment 'nothing'"),
    ("--grid algo=dqn,sarsa", "unknown algorithm 'sarsa'"),
    ("--grid scale-boxes=maybe", "scale-boxes must be true or false in --grid, got 'maybe'"),
    ("--grid target-period=10,20", "at target-period=10 nothing reads target-period: it needs"),
    ("--grid regress-actions=all algo=adqn", "nothing reads regress-actions with adqn: it needs"),
    ("--history none --grid history-size=32", "nothing reads history-size: it needs --history gru"),
    ("--grid buffer-timesteps=400000,30000", "buffer_timesteps"),
    ("--grid discount=0.9..0.99", "discount has a range: --random N says how many"),
    ("--grid discount=0..0.99 --random 2", "a range of discount needs 0 < low < high"),
    ("--grid discount=a..b --random 2", "a range of discount needs 0 < low < high"),
    ("--grid discount=0.9..0.9000001 --random 2", "the ranges are too narrow for 2"),
    (f"{RATES} --random 3", "random must be from 1 to the 2 points of the grid, got 3"),
    (f"{RATES} --random 0", "random must be from 1"),
    (f"{RATES} --random some", "Error parsing --random"),
    (f"{RATES} --metric joy", "joy"),
    (f"{RATES} --sedes 3", "Unrecognized options: --sedes"),
    (f"{RATES} --seeds 0", "seeds must be at least 1, got 0"),
    (f"{RATES} --name a/b", "name must be letters, digits"),
    (f"{RATES} --resume", "nothing to resume: runs/sweep holds no run"),
    (f"{RATES} --out file.txt", "file.txt"),
    (f"{RATES} --log tensorboard", "--log takes single runs"),
]
TABLE = [
    *(("run.py", words, message) for words, message in RUN),
    *(("run.py", " ".join((*WORDS, words)), message) for words, message in FOLDERS),
    *(("plot.py", words, message) for words, message in PLOT),
    *(("render.py", words, message) for words, message in RENDER),
    *(("benchmark.py", words, message) for words, message in BENCHMARK),
    *(("sweep.py", words, message) for words, message in SWEEP),
]


@pytest.mark.parametrize(("script", "words", "message"), TABLE)
def test_bad_input(
    script: str, words: str, message: str, wrong: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence on stderr, exit code 2, nothing changed."""
    monkeypatch.chdir(wrong)
    before = files_of(wrong)
    ended = call(SCRIPTS[script], *words.split())
    assert ended.code == 2, ended.err
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1, ended.err
    assert files_of(wrong) == before


def test_an_error_of_ours_is_not_taken_for_bad_input() -> None:
    """A ValueError that a library raises is a mistake of ours, and keeps its traceback."""

    def broken() -> None:
        json.loads("no JSON")

    with pytest.raises(ValueError, match="Expecting value"):
        call(broken)


def test_broken_off_before_anything_began() -> None:
    """Help is no error."""
    assert call(run.main, "--help").code == 0
