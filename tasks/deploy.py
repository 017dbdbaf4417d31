"""Stage `deploy`: put the champion's bundle to use. Its output is a receipt."""

from qatflow.adapters.targets import deploy
from qatflow.artifacts import write_json
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/deploy/receipt.json."""
    released = stage.read("release")
    bundle = released / "bundle"
    with stage.write("deploy", released) as out:
        receipt = deploy(bundle, stage.params, stage.root) if bundle.exists() else {"target": None}
        write_json(out / "receipt.json", receipt)


if __name__ == "__main__":
    main(run)
