"""What each of many promoting processes runs. A module of its own, so that a process started afresh can import it."""

from pathlib import Path

from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.errors import PromotionError
from qatflow.release.log import PromotionLog
from qatflow.release.promote import promote, rollback


def open_registry(root: Path) -> MlflowRegistry:
    return MlflowRegistry(MlflowTracker("sqlite:///mlflow.db", "qatflow", root), "digits")


def try_to_promote(work: tuple[Path, int, int | None]) -> str:
    """Promote a version, expecting another; return "won" or why not."""
    root, version, expected = work
    log = PromotionLog(root, "digits")
    try:
        promote(open_registry(root), log, version, expected, who=f"promoter {version}", why="race", gates={})
    except PromotionError as error:
        return str(error)
    return "won"


def try_to_roll_back(root: Path) -> str:
    """Roll back; return "won" or why not."""
    try:
        rollback(open_registry(root), PromotionLog(root, "digits"), who="rollback", why="race")
    except PromotionError as error:
        return str(error)
    return "won"
