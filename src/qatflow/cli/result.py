"""What the last screen of a run says: the verdict, and where to look."""

from pathlib import Path

from qatflow import artifacts, params_file
from qatflow.cli.screen import Screen


def say_result(screen: Screen, root: Path) -> None:
    """Print the verdict and the places of report, bundle and MLflow data."""
    params = params_file.load(root / "params.yaml")
    receipt = artifacts.read_json(root / "artifacts" / "release" / "receipt.json")
    summary = artifacts.read_json(root / "artifacts" / "report" / "summary.json")
    screen.say()
    screen.say(f" {summary['verdict']}", "bold")
    for reason in receipt["reasons"]:
        screen.say(f"   {reason}", "dim")
    screen.say()
    screen.say(f" report  {root / 'artifacts' / 'report' / 'index.html'}")
    if receipt["champion"]:
        deployed = artifacts.read_json(root / "artifacts" / "deploy" / "receipt.json")
        screen.say(f" bundle  {deployed.get('url') or root / params.deploy.path / deployed.get('file', 'current')}")
    screen.say(f" MLflow  {params.tracking.uri}   (mlflow ui --backend-store-uri {params.tracking.uri})")
