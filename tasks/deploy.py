"""Stage `deploy`: put the champion's bundle to use. Its output is a receipt."""

from qatflow.artifacts import write_json
from qatflow.deploy import TARGETS
from qatflow.errors import lookup
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/deploy/receipt.json."""
    target = lookup("deploy target", stage.params.deploy.target, TARGETS)
    released = stage.read("release")
    bundle = released / "bundle"
    with stage.write("deploy", released) as out:
        receipt = target(bundle, stage.root / stage.params.deploy.path) if bundle.exists() else {"target": None}
        write_json(out / "receipt.json", receipt)


if __name__ == "__main__":
    main(run)
