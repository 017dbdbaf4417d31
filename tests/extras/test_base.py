"""`pip install qatflow` alone is small, and runs, checks, deploys and serves a bundle."""

import json
from importlib import metadata

import numpy as np
import pytest

from qatflow.deploy import signing
from qatflow.deploy.archive import pack
from qatflow.deploy.local import deploy_local
from qatflow.release.bundle import load_bundle
from tests.extras.alone import closure
from tests.serving.running import serving
from tests.unit.release.fabricate import digits

MOST_BYTES = 120_000_000
HEAVY = {
    *("dask", "distributed", "dvc", "matplotlib", "mlflow", "optuna", "pandas", "prefect", "shap", "scipy", "sklearn"),
    *("cryptography", "h5py", "jinja2", "PIL", "redis", "tensorflow", "tf_keras", "uvloop"),
}
LOADED = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"


def test_it_is_small_beside_numpy():
    sizes = {name: sum(file.size or 0 for file in metadata.files(name) or ()) for name in closure("") - {"numpy"}}

    assert sum(sizes.values()) <= MOST_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]


@pytest.mark.parametrize("module", ["qatflow.cli", "qatflow.serving.serve", "qatflow.adapters.alias_follower"])
@pytest.mark.slow
def test_nothing_heavy_is_imported_where_it_is_installed(tmp_path, module, only):
    loaded = set(only("all")("-c", f"import {module}; {LOADED}").split())

    assert "qatflow" in loaded
    assert not loaded & HEAVY


@pytest.mark.slow
def test_it_predicts_what_the_bundle_says(bundle, tmp_path, only):
    x = digits().test.arrays()[0][:3]
    np.save(tmp_path / "x.npy", x)
    said = only("")("-m", "qatflow", "infer", bundle, tmp_path / "x.npy")

    scores = [json.loads(line)["scores"] for line in said.splitlines()]
    np.testing.assert_array_equal(scores, load_bundle(bundle).predict(x)["scores"])


@pytest.mark.slow
def test_it_serves_and_records(bundle, tmp_path, only):
    x = digits().test.arrays()[0][:3]
    only("")
    with serving(tmp_path / "home", bundle) as running:
        answer = running.infer(x)
        metrics = running.ask("GET", "/metrics")

        assert (answer.status, metrics.status, running.stop()) == (200, 200, 0)
    assert len(answer.content["outputs"][0]["data"]) == 30
    assert list((tmp_path / "home" / "monitoring").rglob("*.sqlite"))


@pytest.mark.slow
def test_it_refuses_a_signature_that_it_cannot_check(bundle, tmp_path, only):
    signing.make_keys(tmp_path / "key")
    archive = pack(bundle, signing.read_private_key(tmp_path / "key"))
    deploy_local(bundle, tmp_path / "root")
    only("")
    with serving(tmp_path / "home", tmp_path / "root") as running:
        refused, unsigned = (running.ask("PUT", "/v2/bundle", body) for body in (archive, pack(bundle, None)))

        assert (refused.status, unsigned.status) == (422, 200)
    needs = "Checking a signature needs cryptography, which is not installed: pip install 'qatflow[serve]'"
    assert needs in running.log.read_text()


@pytest.mark.slow
def test_it_makes_archives_c_sources_and_folders_to_serve_and_verifies_them(bundle, tmp_path, only):
    run = only("")
    for target in ("archive", "micro", "local"):
        assert target in run("-m", "qatflow", "deploy", bundle, "--target", target, "--to", tmp_path / target)

    (archive,) = (tmp_path / "archive").glob("*.qatflow")
    assert "whole" in run("-m", "qatflow", "verify", archive)
