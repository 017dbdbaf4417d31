"""Looks at the served champion: drift, labels, health. What calls for a retraining becomes a Prefect event.

`python -m flows.monitor` looks once; `flows.schedules` serves it with a schedule, and `flows.renew` with the event.
"""

from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from flows.once import run_once
from flows.session import ROOT
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


@flow(name="monitor")
def monitor() -> str:
    """Judge the last window of the deployed champion; return in a sentence what was found and what was asked for.

    Raises:
        QATFlowError: If the records are damaged, or MLflow does not answer.
    """
    params = params_file.load(ROOT / "params.yaml")
    folder = ROOT / params.monitoring.path
    report = judge(params)
    if isinstance(report, str):
        return report
    labels = look.errors_of(folder, report.model_sha256).labels
    decision = asking.decide(report, labels, asking.last_asked(folder), params.monitoring.retrain_labels)
    record(params, report, decision.why)
    if decision.asks:
        ask(params, report, decision.why)
        asking.remember(folder, report, labels)
    return decision.why


@task(name="judge", cache_policy=NO_CACHE)
def judge(params: Params) -> DriftReport | str:
    """Compare the last window with the champion's reference, and write the report beside the records.

    Returns:
        The report; a sentence where nothing was served yet, or too little: that is no failure.
    """
    folder = ROOT / params.monitoring.path
    try:
        reference = load_reference(current(ROOT / params.deploy.path) / REFERENCE)
        report = look.look(folder, reference, params.monitoring).report
    except (MonitoringError, DeployError) as error:
        return f"nothing to judge: {error}"
    write_json(folder / REPORT, report.to_dict())
    return report


@task(name="record", cache_policy=NO_CACHE)
def record(params: Params, report: DriftReport, decision: str) -> None:
    """Log the report to MLflow."""
    from qatflow.adapters.mlflow_monitor import log_report

    log_report(params, ROOT, report, decision)


def ask(params: Params, report: DriftReport, why: str) -> None:
    """Emit the event on which `flows.renew` runs."""
    payload: dict[str, Any] = {
        "reason": why,
        "window_sha256": report.window_sha256,
        "model_sha256": report.model_sha256,
    }
    emit_event(EVENT, {"prefect.resource.id": resource(params)}, payload=payload)


def deployment_name(params: Params) -> str:
    """Return what this project's deployments are called: two projects, or two clones, on one server stay apart."""
    return f"{params.release.name}-{sha256_bytes(str(ROOT).encode())[:6]}"


def resource(params: Params) -> str:
    """Return what this project's events are about, so that they start its own flows only."""
    return f"qatflow.project.{deployment_name(params)}"


if __name__ == "__main__":
    run_once(monitor)
