"""The steps of monitoring: judge the last window, log it, ask for a retraining by a Prefect event."""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from qatflow import params_file
from qatflow.artifacts import sha256_bytes, write_json
from qatflow.deploy.local import current
from qatflow.errors import DeployError, MonitoringError
from qatflow.monitoring import asking, look
from qatflow.monitoring.drift_report import DriftReport
from qatflow.monitoring.reference import REFERENCE, load_reference
from qatflow.params.root import Params

EVENT = "qatflow.drift.detected"
REPORT = "report.json"


def look_at_champion(root: Path) -> str:
    """Judge the last window of the deployed champion; return in a sentence what was found and what was asked for.

    Raises:
        QATFlowError: If the records are damaged, or MLflow does not answer.
    """
    params = params_file.load(root / "params.yaml")
    folder = root / params.monitoring.path
    report = judge(root, params)
    if isinstance(report, str):
        return report
    labels = look.errors_of(folder, report.model_sha256).labels
    decision = asking.decide(report, labels, asking.last_asked(folder), params.monitoring.retrain_labels)
    record(root, params, report, decision.why)
    if decision.asks:
        ask(root, params, report, decision.why)
        asking.remember(folder, report, labels)
    return decision.why


@task(name="judge", cache_policy=NO_CACHE)
def judge(root: Path, params: Params) -> DriftReport | str:
    """Compare the last window with the champion's reference, and write the report beside the records.

    Returns:
        The report; a sentence where nothing was served yet, or too little: that is no failure.
    """
    folder = root / params.monitoring.path
    try:
        reference = load_reference(current(root / params.deploy.path) / REFERENCE)
        report = look.look(folder, reference, params.monitoring).report
    except (MonitoringError, DeployError) as error:
        return f"nothing to judge: {error}"
    write_json(folder / REPORT, report.to_dict())
    return report


@task(name="record", cache_policy=NO_CACHE)
def record(root: Path, params: Params, report: DriftReport, decision: str) -> None:
    """Log the report to MLflow."""
    from qatflow.adapters.mlflow_monitor import log_report

    log_report(params, root, report, decision)


def ask(root: Path, params: Params, report: DriftReport, why: str) -> None:
    """Emit the event on which `flows.renew` runs."""
    payload: dict[str, Any] = {
        "reason": why,
        "window_sha256": report.window_sha256,
        "model_sha256": report.model_sha256,
    }
    emit_event(EVENT, {"prefect.resource.id": resource(root, params)}, payload=payload)


def deployment_name(root: Path, params: Params) -> str:
    """Return what this project's deployments are called: two projects, or two clones, on one server stay apart."""
    return f"{params.release.name}-{sha256_bytes(str(root).encode())[:6]}"


def resource(root: Path, params: Params) -> str:
    """Return what this project's events are about, so that they start its own flows only."""
    return f"qatflow.project.{deployment_name(root, params)}"
