"""Stage `deploy`: put the champion's bundle to use. Its output is a receipt."""

from qatflow.adapters.targets import deploy
from qatflow.artifacts import read_json, write_json
from tasks.common import Stage, main


def run(stage: Stage) -> None:
    """Write artifacts/deploy/receipt.json."""
    released = stage.read("release")
    bundle = released / "bundle"
    with stage.write("deploy", released) as out:
        receipt = {"target": None}
        if bundle.exists():
            version = read_json(released / "receipt.json")["champion"]["version"]
            receipt = deploy(bundle, stage.params, stage.root, version)
        write_json(out / "receipt.json", receipt)


if __name__ == "__main__":
    main(run)
