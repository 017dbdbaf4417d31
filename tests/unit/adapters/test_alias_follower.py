"""An alias of a real registry, mirrored into a deploy root."""

import pytest

from qatflow.adapters import alias_follower
from qatflow.adapters.mlflow_registry import MlflowRegistry
from qatflow.adapters.mlflow_tracking import MlflowTracker
from qatflow.deploy.local import current
from qatflow.deploy.rollout import name_of
from qatflow.errors import PromotionError
from qatflow.release.bundle import load_bundle
from tests.unit.release import fabricate


@pytest.mark.parametrize(
    "address", ["models:/a", "models:/a@", "models:/../x@b", "file:///etc/passwd", "models:/a/1", ""]
)
def test_other_addresses_are_refused(address):
    with pytest.raises(PromotionError, match="models:/NAME@ALIAS"):
        alias_follower.parse_address(address)


def test_an_address_has_a_name_and_an_alias():
    assert alias_follower.parse_address("models:/my-model@champion") == ("my-model", "champion")


@pytest.mark.slow
def test_the_root_follows_the_alias(tmp_path):
    registry = MlflowRegistry(MlflowTracker("sqlite:///mlflow.db", "qatflow", tmp_path), "digits")
    root, numbers = tmp_path / "root", []
    for padding in (0, 4):
        bundle = fabricate.bundle(tmp_path / str(padding), fabricate.flatbuffer("int8", padding))
        sha256 = load_bundle(bundle).sha256
        facts = {"model_sha256": sha256, "variant": "ptq_w8a8", "score": "0.9", "latency_us": "1.0"}
        numbers.append(registry.register(registry.log_model(bundle, facts, {})))
    with pytest.raises(PromotionError, match="no alias champion"):
        alias_follower.mirror(registry, "champion", root)
    for number in (*numbers, numbers[0]):
        registry.set_alias("champion", number)
        assert alias_follower.mirror(registry, "champion", root) == number
        sha256 = load_bundle(current(root)).sha256
        assert sha256 == registry.version(number).sha256
        assert name_of(root, sha256) == str(number)
    registry.delete_alias("champion")
    with pytest.raises(PromotionError, match="no alias champion"):
        alias_follower.mirror(registry, "champion", root)
    assert load_bundle(current(root)).sha256 == sha256
