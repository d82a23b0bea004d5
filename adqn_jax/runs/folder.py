"""A run's folder: who may write into it, and what it is for."""

import contextlib
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from adqn_jax.results import experiment
from adqn_jax.results.experiment import CONFIG, CURVE
from adqn_jax.runs import cluster, lock
from adqn_jax.runs.ending import StopError
from adqn_jax.runs.interrupts import Interrupts
from adqn_jax.versions import made_with

#: Seconds after which every host sees what another has written, if they share the disk.
_SEEN_SECONDS = 60.0
#: The checkpoints of a run that is being replaced; as long as it is there, so are files of that.
_DELETED = "deleted"


class Claim:
    """A folder that a run may write into, while it does."""

    def __init__(
        self, folder: pathlib.Path, run: dict[str, Any], held: lock.Lock, *, resume: bool,
        replaces: bool, within: "Claim | None" = None,
    ):  # fmt: skip
        """Remember what the run is, the lock that it holds, and whether it replaces another.

        A folder that is `within` another claim's is held with it.
        """
        self.folder = folder
        self.run = run
        self.begun = False
        self.replaces = replaces
        self._lock = held
        self._resume = resume
        self._within = within

    def begin(self, *keep: str, interrupts: Interrupts | None = None) -> None:
        """Write config.json, after deleting what is neither to be resumed nor to be kept.

        Raises:
          StopError: when a run would be replaced by one that has been asked to stop by now.
        """
        self._check_stop(interrupts)
        checkpoints, deleted = self.folder / "checkpoints", self.folder / _DELETED
        deletes = not self._resume or deleted.exists()  # or somebody was killed who did
        partial = experiment.stage(self.folder, self.run)
        if self.replaces:  # first what says that a run is complete
            for curve in (self.folder / CURVE, *self.folder.glob(f"*/{CURVE}")):
                curve.unlink(missing_ok=True)
            # Whoever is killed from here on leaves a run that starts anew when resumed.
            shutil.rmtree(deleted, ignore_errors=True)
            if checkpoints.exists():
                checkpoints.rename(deleted)
            deleted.mkdir(exist_ok=True)
        os.replace(partial, self.folder / CONFIG)
        self.begun = True
        if deletes:
            self._delete(keep=(CONFIG, checkpoints.name, *lock.NAMES, *keep))

    def _check_stop(self, interrupts: Interrupts | None) -> None:
        if self.replaces and interrupts is not None and interrupts.stop:
            why = f"{interrupts.reason} before training began"
            raise StopError(interrupts.code, f"{why}: {self.folder} is as it was")

    def hold(self) -> None:
        """Make the folder anew where it has vanished.

        Raises:
          OSError: when it cannot be made, or another run is at work there by now, or was.
        """
        if self._within is not None:
            self._within.hold()
        if self._lock.is_mine:
            return
        if (self.folder / CONFIG).exists() and not self._is_ours():
            raise OSError(f"another run's results are in {self.folder} by now")
        if self._lock.renew():
            experiment.write(self.folder, self.run)

    def _is_ours(self) -> bool:
        """Whether config.json says that the folder holds this very run."""
        try:
            there, _ = experiment.read_both(self.folder)
        except ValueError:
            return False
        return there == experiment.flat(experiment.decided(self.run))

    def forget(self) -> None:
        """Delete config.json again if the run has not begun."""
        if not self.begun:
            (self.folder / CONFIG).unlink(missing_ok=True)

    @property
    def note(self) -> str:
        """Return what tells that the folder is held, and by whom."""
        return self._lock.note

    def _delete(self, keep: tuple[str, ...]) -> None:
        # Last what says that there is more to delete.
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name == _DELETED):
            if path.name in keep:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


class Shared(Claim):
    """A folder that process 0 has claimed for this one, too."""

    def __init__(self, folder: pathlib.Path, run: dict[str, Any], *, replaces: bool):
        """Rely on process 0."""
        self.folder = folder
        self.run = run
        self.begun = False
        self.replaces = replaces

    def begin(self, *keep: str, interrupts: Interrupts | None = None) -> None:
        """Leave it to process 0; errors are those of any claim."""
        self._check_stop(interrupts)
        self.begun = True

    def hold(self) -> None:
        """Leave it to process 0."""


def claim(
    folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool,
    within: Claim | None = None,
) -> contextlib.AbstractContextManager[Claim]:  # fmt: skip
    """Hold a run's folder; unless the run begins, what is there stays as it is.

    The folder may be `within` one that is claimed already.

    Raises:
      ValueError: when the folder holds a run and neither flag says what to do with it, when it
        cannot be written, when another run is at work there, or when what is to be resumed or
        overwritten is no such run. Of a run in several processes also when they were told to do
        different things, or their hosts do not share the folder.
    """
    if cluster.count() == 1:
        return _claim(folder, run, overwrite=overwrite, resume=resume, within=within)
    return _claim_together(folder, run, overwrite=overwrite, resume=resume, within=within)


@contextlib.contextmanager
def _claim_together(
    folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool,
    within: Claim | None,
) -> Iterator[Claim]:  # fmt: skip
    told = cluster.gather([json.dumps(run, sort_keys=True), overwrite, resume])
    for i, (of_process, *flags) in enumerate(told):
        if of_process != told[0][0]:
            raise ValueError(f"process {i} was told to train something else than process 0")
        if flags != told[0][1:]:
            raise ValueError(
                f"process {i} and process 0 differ in --overwrite or --resume: give all the same"
            )
    if cluster.is_first():
        with _claim(folder, run, overwrite=overwrite, resume=resume, within=within) as claimed:
            cluster.gather([claimed.note, claimed.replaces])
            yield claimed
    else:
        note, replaces = cluster.gather(None)[0]
        if not lock.shows(folder, note, _SEEN_SECONDS):
            raise ValueError(
                f"process {cluster.index()} does not see in {folder.absolute()} what process 0 has "
                f"written there: --out must name a folder that all hosts share"
            )
        yield Shared(folder, run, replaces=replaces)


@contextlib.contextmanager
def _claim(
    folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool,
    within: Claim | None,
) -> Iterator[Claim]:  # fmt: skip
    _refuse(folder, run, overwrite=overwrite, resume=resume)
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    fresh = not _occupied(folder)
    with contextlib.ExitStack() as ending:
        ending.callback(_remove_empty, new)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = lock.Lock(folder)
            ending.callback(held.release)
            replaces = not fresh and not resume
            claimed = Claim(folder, run, held, resume=resume, replaces=replaces, within=within)
            if fresh:  # so that even a run that is killed while compiling can be resumed
                experiment.write(folder, run)
                ending.callback(claimed.forget)
        except OSError as error:
            raise ValueError(
                f"cannot write to {folder}: {error.strerror}; choose another --out"
            ) from error
        yield claimed


def _remove_empty(folders: Sequence[pathlib.Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # it is not empty, or not there
            folder.rmdir()


def _refuse(folder: pathlib.Path, run: dict[str, Any], *, overwrite: bool, resume: bool) -> None:
    config = folder / CONFIG
    if (resume or overwrite) and not config.exists() and (resume or _occupied(folder)):
        what = "resume" if resume else "overwrite"
        raise ValueError(f"nothing to {what}: {folder} holds no run")
    if resume:
        before, made_before = experiment.read_record(folder)
        experiment.refuse_differences(before, experiment.decided(run))
        _tell_versions(made_before)
    elif _occupied(folder) and not overwrite:
        if not config.exists():
            raise ValueError(f"{folder} holds other files: --name chooses another folder")
        raise ValueError(
            f"{folder} already holds a run: --resume goes on with it, --overwrite deletes it, "
            f"--name chooses another folder"
        )


def _occupied(folder: pathlib.Path) -> bool:
    own = {experiment.PARTIAL, *lock.NAMES}  # as whoever is killed at the very beginning leaves
    return folder.exists() and any(path.name not in own for path in folder.iterdir())


def _tell_versions(before: dict[str, str]) -> None:
    """Say what may keep a resumed run from being bit-equal."""
    now = made_with()
    for name in ("jax", "jaxlib", "device"):
        if before.get(name) != now[name]:
            print(
                f"note: the run was begun with {name} {before.get(name)}, this is {now[name]}: "
                f"from here on its numbers may differ in rounding",
                file=sys.stderr,
            )
