"""Stage `report`: one page that says what was decided and why."""

from qatflow.report.build import build_report
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/report: index.html and summary.json."""
    with stage.write("report", stage.read("prepare"), stage.read("pretrain"), stage.read("release")) as out:
        build_report(stage.root, stage.params, out)


if __name__ == "__main__":
    main(run)
