"""The main job: bring every stage of dvc.yaml up to date, promote what passed its gates, deploy it.

`qatflow run`, or `python -m flows.retrain [REASON]`; flows/schedules.py serves it with a schedule.
"""

import sys
from collections.abc import Sequence

from prefect import flow

from flows import ROOT
from qatflow.pipeline.retrain import publish, run_program, run_stage
from qatflow.pipeline.session import Session


def steps(session: Session) -> None:
    """Run each stage; release and deploy together, so that a deployment that fails takes its promotion back."""
    for name in session.stages():
        if name == "release":
            publish(session, "release", "deploy")
        elif name != "deploy":
            run_stage(session, name)


@flow(name="retrain")
def retrain(reason: str = "by hand") -> dict[str, str]:
    """Run the graph once; return each stage's outcome: "fresh", "restored", "tracked" or "ran".

    Raises:
        QATFlowError: Why a stage failed. Finished stages are kept; the next run continues after them.
    """
    with Session(ROOT, reason) as session:
        steps(session)
    return session.outcomes()


def main(words: Sequence[str]) -> None:
    """Run it on one calm screen."""
    run_program(ROOT, steps, *words or ["by hand"])


if __name__ == "__main__":
    main(sys.argv[1:])
