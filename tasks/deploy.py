"""Stage `deploy`: put the champion's bundle to use. Its output is a receipt."""

from qatflow.pipeline.stage import StageRun, main, stage


@stage(reads=["release"], params=["deploy", "release.name"], cached=False)
def deploy(run: StageRun) -> None:
    """Write artifacts/deploy/receipt.json."""
    from qatflow.adapters.targets import deploy
    from qatflow.artifacts import read_json, write_json

    released = run.read("release")
    bundle = released / "bundle"
    with run.write("deploy", released) as out:
        receipt = {"target": None}
        if bundle.exists():
            version = read_json(released / "receipt.json")["champion"]["version"]
            receipt = deploy(bundle, run.params, run.root, version)
        write_json(out / "receipt.json", receipt)


if __name__ == "__main__":
    main(deploy)
