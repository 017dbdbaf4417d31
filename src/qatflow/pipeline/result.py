"""What the last screen of a run says: the verdict, and where to look."""

from collections.abc import Iterator
from pathlib import Path

from qatflow import artifacts, params_file
from qatflow.data.card import DataCard, card_notes
from qatflow.deploy.base import where
from qatflow.errors import hidden
from qatflow.evaluation.alarm import ALARM
from qatflow.params.data import DataParams
from qatflow.params.release import ReleaseParams
from qatflow.params.root import Params
from qatflow.release.receipt import Receipt
from qatflow.screen import Screen

MLFLOW_UI, RUNS = "http://127.0.0.1:5000", "#/experiments?workflowType=machine_learning"
"""Where `mlflow ui` listens, and its pages on trained models; by default it opens those on language models."""


def say_result(screen: Screen, root: Path) -> None:
    """Print the verdict and the places of report, bundle and MLflow data."""
    params = params_file.load(root / "params.yaml")
    receipt = Receipt.read(root / "artifacts" / "release")
    summary = artifacts.read_json(root / "artifacts" / "report" / "summary.json")
    screen.say()
    screen.say(f" {summary['verdict']}", "bold")
    for reason in receipt.reasons:
        screen.say(f"   {reason}", "dim")
    for variant in params.quantize.variants:
        path = root / "artifacts" / "convert" / variant / ALARM
        if path.is_file() and (alarm := artifacts.read_json(path)):
            screen.say(f"   ALARM {variant}: {alarm}", "bold red")
    screen.say()
    screen.say(f" report  {root / 'artifacts' / 'report' / 'index.html'}")
    if receipt.champion:
        deployed = artifacts.read_json(root / "artifacts" / "deploy" / "receipt.json")
        place = where(root / params.deploy.path, deployed)
        word = "bundle" if deployed["target"] == "local" else deployed["target"]
        screen.say(f" {word:7} {place}")
    for note in _notes(root, params):
        screen.say(f" note    {note}", "yellow")
    uri = hidden(params.tracking.uri)
    remote = uri.startswith("http")
    screen.say(f" MLflow  {uri}{'' if remote else f'   (mlflow ui --backend-store-uri {uri})'}")
    screen.say(f"         {uri.rstrip('/') if remote else MLFLOW_UI}/{RUNS} shows all runs", "dim")


def _notes(root: Path, params: Params) -> Iterator[str]:
    """Yield what the user may not have meant."""
    card = DataCard.read(root / "artifacts" / "prepare")
    yield from card_notes(card, str(params.data.path))
    if params.release.name == ReleaseParams().name and params.data.source != DataParams().source:
        yield f"the model is called '{params.release.name}'; --set release.name=… gives it a name of your own"
