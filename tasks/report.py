"""Stage `report`: one page that says what was decided and why."""

from qatflow.report.build import build_report
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/report: index.html and summary.json."""
    parents = [stage.read(name) for name in ("prepare", "pretrain", "transfer", "release")]
    with stage.write("report", *parents) as out:
        build_report(stage.root, stage.params, out)


if __name__ == "__main__":
    main(run)
