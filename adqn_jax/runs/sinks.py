"""Where metrics go beside metrics.csv: TensorBoard's event files, and Weights & Biases.

A sink is handed all rows of the run at every log point and passes on those that are new. What it
was given before an interruption is in the checkpoint, and is handed to it again: so a resumed run
leaves no point twice, and a sink chosen late gets all of them.
"""

import contextlib
import os
import pathlib
import secrets
import shutil
import time
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from adqn_jax import extras
from adqn_jax.results import files
from adqn_jax.runs import progress
from adqn_jax.versions import made_with

Name = Literal["tensorboard", "wandb"]
Rows = list[dict[str, Any]]  # as `records.Records.rows` returns them

#: The module that a sink needs; the extra that brings it has the sink's name.
_MODULES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
#: Seconds to wait for the server of Weights & Biases, at the start and at the end of a seed's run.
_PATIENCE = 20.0
#: Seconds after which a server that did not answer is tried again.
_RETRY_SECONDS = 300.0


class Sink(Protocol):
    """Something that takes metrics."""

    name: str

    def write(self, rows: Rows, *, last: bool = False) -> None:
        """Pass on those of all `rows` that are new; at the end of the run (`last`), finish.

        Raises:
          OSError: when that fails; the next call tries again.
        """


def check(names: Sequence[Name]) -> None:
    """Look whether the sinks could be used, and let Weights & Biases ask for a key it lacks.

    Raises:
      ValueError: when a package is missing, or there is nobody to ask.
    """
    for name in names:
        extras.need(_MODULES[name], name)
    if "wandb" in names:
        import wandb

        try:
            if wandb.setup().settings.mode == "online":
                wandb.login(verify=False)
        except wandb.Error as error:
            raise ValueError(f"--log wandb: {error} WANDB_MODE=offline needs none.") from error


def make(names: Sequence[Name], folder: pathlib.Path, run: dict[str, Any]) -> list[Sink]:
    """Make the sinks of a run, which config.json keeps as `run`; nothing is written yet."""
    if not names:
        return []
    config = {"run": run, "made_with": made_with()}
    makers = {"tensorboard": TensorBoard, "wandb": Wandb}
    return [makers[name](folder, config) for name in dict.fromkeys(names)]


class TensorBoard:
    """An event file for each seed, in <run>/tensorboard/seed-000/ and so on.

    A resumed run's files are written anew from its first row on. The module's `SummaryWriter`
    writes in a thread, where a full disk would go unnoticed; the writer below it does not.
    """

    name = "tensorboard"

    def __init__(self, folder: pathlib.Path, config: dict[str, Any]):
        """Write below `folder`."""
        self._folder = folder / "tensorboard"
        self._seeds = config["run"]["seeds"]
        self._writers: list[Any] = []
        self._written = 0  # rows

    def write(self, rows: Rows, *, last: bool = False) -> None:
        """Append the new rows; see `Sink`."""
        try:
            if not self._writers or not self._folder.is_dir():
                self._begin()
            self._append(rows)
            for writer in self._writers:
                writer.flush()
        except OSError:
            self._close()  # what may be half written is written anew
            raise
        if last:
            self._close()

    def _begin(self) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self._close()
        if self._folder.exists():
            shutil.rmtree(self._folder)
        self._written = 0
        # Tells a TensorBoard that is watching to forget what it has read of this seed.
        purge = Event(step=0, session_log=SessionLog(status=SessionLog.START))
        for seed in range(self._seeds):
            folder = self._folder / f"seed-{seed:03d}"
            folder.mkdir(parents=True)
            writer = EventsWriter(str(folder / "events"))
            writer.write_event(purge)
            self._writers.append(writer)

    def _close(self) -> None:
        while self._writers:
            with contextlib.suppress(OSError):
                self._writers.pop().close()

    def _append(self, rows: Rows) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        now = time.time()
        for row in rows[self._written :]:
            values = [
                Summary.Value(tag=name, simple_value=value)
                for name, value in row.items()
                if name not in ("seed", "timesteps")
            ]
            # TensorBoard's relative time is then the time of training.
            ago = rows[-1]["training_seconds"] - row["training_seconds"]
            event = Event(wall_time=now - ago, step=row["timesteps"], summary=Summary(value=values))
            self._writers[row["seed"]].write_event(event)
        self._written = len(rows)


class Wandb:
    """A run of Weights & Biases for each seed, in one group; its step is `timesteps`.

    Their ids are drawn once and kept in <run>/wandb/id.txt: a resumed run goes on in the same
    ones, from the step that the server has. Without a server (WANDB_MODE=offline) the files of
    the session before are replaced by new ones with all rows, because `wandb sync` does not join
    files of one id reliably.
    """

    name = "wandb"

    def __init__(self, folder: pathlib.Path, config: dict[str, Any]):
        """Write below `folder`, and to the server."""
        self._folder = folder
        self._config = config
        self._runs: list[Any] = []
        self._written = 0  # rows
        self._retry_at = 0.0

    def write(self, rows: Rows, *, last: bool = False) -> None:
        """Log the new rows; see `Sink`."""
        import wandb

        if time.monotonic() < self._retry_at and not last:
            raise OSError("its server did not answer")
        try:
            if not self._runs:
                self._begin()
            for row in rows[self._written :]:
                run = self._runs[row["seed"]]
                # The server has what it had got of a resumed run's rows.
                if row["timesteps"] >= run.step:
                    values = {name: value for name, value in row.items() if name != "seed"}
                    run.log(values, step=row["timesteps"])
            self._written = len(rows)
            if last:
                for run in self._runs:
                    run.finish()
        except Exception as error:  # a client of a server, which raises errors of many kinds
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            self._runs = []
            with contextlib.suppress(Exception):
                wandb.teardown()  # otherwise the runs' ids would be in use
            raise OSError(" ".join(str(error).split())) from error

    def _begin(self) -> None:
        self._id, self._written = self._drawn_once(), 0
        self._runs = [self._init(seed) for seed in range(self._config["run"]["seeds"])]
        progress.say(f"wandb: {self._where()}")

    def _drawn_once(self) -> str:
        path, drawn = self._folder / "wandb" / "id.txt", ""
        with contextlib.suppress(FileNotFoundError):
            drawn = path.read_text().strip()
        if not drawn:  # an empty file is what a full disk has left
            drawn = secrets.token_hex(4)
            path.parent.mkdir(exist_ok=True)
            files.write_text(path, drawn)
        return drawn

    def _where(self) -> str:
        """Say where the metrics go to."""
        first = self._runs[0]
        if first.offline:
            return f"offline; upload: wandb sync {self._folder / 'wandb' / 'offline-run-*'}"
        return first.url or "disabled"

    def _init(self, seed: int) -> Any:
        import wandb

        seed_id = f"{self._id}-{seed:03d}"
        if wandb.setup().settings.mode in ("offline", "dryrun"):
            for old in (self._folder / "wandb").glob(f"offline-run-*-{seed_id}"):
                shutil.rmtree(old)
        name = "-".join(self._folder.parts[-3:])
        return wandb.init(
            project=os.environ.get("WANDB_PROJECT", "adqn_jax"),
            group=f"{name}-{self._id}",
            name=f"{name}-seed-{seed:03d}",
            id=seed_id,
            resume="allow",
            reinit="create_new",  # all seeds' runs are open together
            dir=self._folder,
            config=self._config | {"seed_index": seed},
            allow_val_change=True,  # a resumed run may be for more timesteps
            settings=wandb.Settings(
                silent=True,
                console="off",
                x_disable_stats=True,  # the seeds share one machine
                init_timeout=_PATIENCE,
                finish_timeout=_PATIENCE,
                finish_timeout_raises=True,
            ),
        )
