"""How a monitored model looks on the terminal: statistics, the features that moved most, health and labels."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qatflow.monitoring.drift_report import DriftReport
from qatflow.monitoring.look import Seen
from qatflow.report.wording import p_value

FEATURES = 8


def draw(seen: Seen) -> RenderableType:
    """Return what `qatflow monitor` shows of one look."""
    report = seen.report
    return Group(
        headline(seen),
        _statistics(report),
        *([_features(report)] if report.features else []),
        Text(_health(report)),
        Text(_labels(report)),
    )


def waiting(why: str) -> RenderableType:
    """Return what is shown while nothing can be judged."""
    return Text(f" … {why}", "dim")


def headline(seen: Seen) -> RenderableType:
    """Return the verdict of one look, and why."""
    report = seen.report
    word, style = ("drift", "bold red") if report.drifted else ("no drift", "bold green")
    said = f"  model {report.model_sha256[:12]}  last {report.samples} of {seen.records} records  {report.when}"
    worries = (Text(f" ! {words}", "yellow") for words in (*report.reasons, *report.health.worries))
    return Group(Text.assemble((f" {word}", style), (said, "dim")), *worries)


def _statistics(report: DriftReport) -> Table:
    table = Table("statistic", "value", "p, all corrections", box=None, pad_edge=True)
    for name, finding in report.statistics.items():
        style = "red" if finding.drifted else ""
        table.add_row(name, f"{finding.value:.4f}", p_value(finding.adjusted_p), style=style)
    return table


def _features(report: DriftReport) -> Table:
    table = Table("feature", "shift in deviations", "PSI", "p", box=None, pad_edge=True)
    for feature in sorted(report.features, key=lambda feature: -abs(feature.effect))[:FEATURES]:
        values = (f"{feature.effect:+.2f}", f"{feature.psi:.3f}", p_value(feature.adjusted_p))
        table.add_row(feature.name, *values, style="red" if feature.drifted else "")
    return table


def _health(report: DriftReport) -> str:
    health = report.health
    first = f" (at first {health.latency_baseline_ms:.3f})" if health.latency_baseline_ms is not None else ""
    memory = f"  memory {health.memory_mb:.0f} MB" if health.memory_mb is not None else ""
    latency = f" latency {health.latency_ms:.3f} ms{first}, p99 {health.latency_p99_ms:.3f} ms"
    return f"{latency}{memory}  saturated inputs {health.saturated:.2%}"


def _labels(report: DriftReport) -> str:
    found = report.labelled
    if found.error is None:
        return " no labels yet; `qatflow feedback FILE` or POST /v2/feedback brings them"
    if found.accuracy is None:
        return f" mean error {found.error:.4f} of the last {found.samples} labels"
    before = "" if found.reference_accuracy is None else f" (validation {found.reference_accuracy:.1%})"
    return f" accuracy {found.accuracy:.1%} of the last {found.samples} labels{before}"
