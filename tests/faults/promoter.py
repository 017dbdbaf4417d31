"""What each of many promoting processes runs. A module of its own, so that a process started afresh can import it."""

import time
import uuid
from pathlib import Path

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import PromotionError
from qatflow.release.log import PromotionLog
from qatflow.release.promote import champion, promote, rollback


def open_registry(root: Path, uri: str = "sqlite:///mlflow.db") -> MlflowRegistry:
    return MlflowRegistry(MlflowTracker(uri, "qatflow", root), "digits")


def try_to_promote(root: Path, version: int, expected: int | None, together: int = 1) -> str:
    """Promote a version, expecting another; return "won" or why not. Begin when `together` processes are ready."""
    log, registry = PromotionLog(root, "digits"), open_registry(root)
    wait_for_others(root / "ready", together)
    try:
        promote(registry, log, version, expected, who=f"promoter {version}", why="race", gates={})
    except PromotionError as error:
        return str(error)
    return "won"


def try_to_roll_back(root: Path, together: int = 1) -> str:
    """Roll back; return "won" or why not. Begin when `together` processes are ready."""
    registry = open_registry(root)
    wait_for_others(root / "ready", together)
    try:
        rollback(registry, PromotionLog(root, "digits"), who="rollback", why="race")
    except PromotionError as error:
        return str(error)
    return "won"


def race(meeting: Path, clone: int, clones: int, uri: str, rounds: int) -> list[tuple[int, str]]:
    """Promote, in each round, another version than the other clones do, in place of the champion that all know.

    Returns:
        For each round the version, and "won" or why not.
    """
    registry, log = open_registry(meeting, uri), PromotionLog(meeting / f"clone{clone}", "digits")
    outcomes = []
    for number in range(rounds):
        expected = champion(registry, log)
        mine = [version for version in range(1, clones + 2) if version != expected][clone]
        wait_for_others(meeting / f"round{number}", clones)
        outcomes.append((mine, promoted(registry, log, mine, expected)))
        wait_for_others(meeting / f"end{number}", clones)
    return outcomes


def promoted(registry: MlflowRegistry, log: PromotionLog, version: int, expected: int | None) -> str:
    try:
        promote(registry, log, version, expected, who=f"{log.path.parents[2].name}", why="race", gates={})
    except PromotionError as error:
        return str(error)
    return "won"


def open_together(root: Path, together: int) -> str:
    """Open a fresh database at the same moment as others; return the experiment's id."""
    wait_for_others(root / "ready", together)
    return MlflowTracker("sqlite:///mlflow.db", "qatflow", root).experiment_id


def wait_for_others(folder: Path, together: int) -> None:
    """Return when `together` processes have called this with the same folder."""
    folder.mkdir(exist_ok=True)
    (folder / uuid.uuid4().hex).touch()
    while len(list(folder.iterdir())) < together:
        time.sleep(0.001)
