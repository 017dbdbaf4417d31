"""Stage `report`: one page that says what was decided and why."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(
    reads=["prepare", "pretrain", "transfer", "quantize", "convert", "evaluate", "ensemble", "explain", "release"],
    params=["quantize.variants", "release.name"],
)
def report(run: StageRun) -> None:
    """Write artifacts/report: index.html and summary.json."""
    from qatflow.report.build import build_report

    parents = [run.read(name) for name in ("prepare", "pretrain", "transfer", "release")]
    with run.write("report", *parents) as out:
        build_report(run.root, run.params, out)


if __name__ == "__main__":
    main(report)
