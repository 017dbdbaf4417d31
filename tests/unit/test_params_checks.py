"""What a parameter file may not say although its types are right."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.repo import Repo

from qatflow import backend, params_file
from qatflow.adapters.targets import TARGETS
from qatflow.data import SOURCES
from qatflow.data.augment import AUGMENTATIONS
from qatflow.ensemble.combine import COMBINERS
from qatflow.errors import ParamsError, TrackingError, hidden
from qatflow.models import ARCHITECTURES
from qatflow.models.backbones import APPLICATIONS
from qatflow.monitoring.detectors import DETECTORS
from qatflow.monitoring.statistics import STATISTICS
from qatflow.params.checks import APPLICATIONS as WRITTEN_APPLICATIONS
from qatflow.params.checks import KNOWN, check
from qatflow.params.root import Params
from qatflow.quantization import STRATEGIES
from qatflow.release.gates import GATES
from qatflow.tflite.devices import DEVICES
from qatflow.training.optimizers import OPTIMIZERS
from qatflow.training.schedules import SCHEDULES

assert backend
ROOT = Path(__file__).parents[2]
TRAINED = [name for name, strategy in STRATEGIES.items() if strategy.trained]
REGISTRIES = {
    "data.source": SOURCES,
    "model.name": [*ARCHITECTURES, "file"],
    "pretrain.optimizer": OPTIMIZERS,
    "pretrain.schedule": SCHEDULES,
    "pretrain.augment": AUGMENTATIONS,
    "quantize.variants": STRATEGIES,
    "ensemble.combine": COMBINERS,
    "release.gates": GATES,
    "deploy.target": TARGETS,
    "serving.device": DEVICES,
    "monitoring.statistics": STATISTICS,
    "online.strategy": TRAINED,
    "online.drift_detector": DETECTORS,
    "sweep.models": ARCHITECTURES,
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "params.yaml"
    copy.write_text((ROOT / "params.yaml").read_text())
    return copy


@pytest.mark.parametrize("parameter", REGISTRIES)
def test_the_written_names_are_those_of_the_registries(parameter: str) -> None:
    assert set(KNOWN[parameter]) == set(REGISTRIES[parameter])


def test_the_written_applications_are_those_of_the_registry() -> None:
    assert set(WRITTEN_APPLICATIONS) == set(APPLICATIONS)


def test_the_parameters_of_the_house_pass() -> None:
    check(Params(), ROOT)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("data.source=parquet", "data.source: unknown 'parquet'. Known: arrays, csv"),
        ("model.name=resnet", "Did you mean 'resnet8'?"),
        ("pretrain.optimizer=adamm", "pretrain.optimizer: unknown 'adamm'. .*Did you mean 'adam'?"),
        ("transfer.schedule=cosin", "Did you mean 'cosine'?"),
        ("quantize.training.augment=[flop]", "quantize.training.augment: unknown 'flop'"),
        ("quantize.training.grid_optimizer=adama", "quantize.training.grid_optimizer: unknown 'adama'"),
        ("quantize.variants=[ptq_w8a9]", "Did you mean 'ptq_w8a8'?"),
        ("release.gates.acuracy_drop={max_drop: 0.1}", "release.gates: unknown 'acuracy_drop'"),
        ("deploy.target=locale", "Did you mean 'local'?"),
        ("monitoring.statistics=[psy]", "monitoring.statistics: unknown 'psy'"),
        ("online.strategy=ptq_w8a8", "online.strategy: 'ptq_w8a8' trains nothing"),
        ("sweep.optimizers=[adam, adamm]", "sweep.optimizers: unknown 'adamm'. .*Did you mean 'adam'?"),
        ("sweep.strategies=[ptq_w8a8]", "sweep.strategies: 'ptq_w8a8' trains nothing"),
        ("sweep.learning_rates={sdg: 0.1}", "sweep.learning_rates: unknown 'sdg'. .*Did you mean 'sgd'?"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_the_file_changes(file: Path, assignment: str, words: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ParamsError, match=words):
        params_file.edit(file, params_file.parse_assignments([assignment]))
    assert file.read_bytes() == before


NASTY = ["x;touch${IFS}PWNED;y", "../../x", "{0}", "$(id)", "a b", "", "ü", "a\nb", "-rf"]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize(
    "changes",
    [
        lambda name: {"data.source": name},
        lambda name: {"model.name": name},
        lambda name: {"pretrain.optimizer": name},
        lambda name: {"quantize.variants": ["ptq_w8a8", name]},
        lambda name: {"ensemble.members": ["ptq_w8a8", name]},
        lambda name: {f"release.gates.{name}": {"max_drop": 0.1}},
        lambda name: {"release.name": name},
        lambda name: {"deploy.target": name},
        lambda name: {"deploy.token_env": name},
        lambda name: {"sweep.models": [name]},
        lambda name: {"monitoring.statistics": [name]},
    ],
)
def test_what_could_be_more_than_a_name_is_refused(file: Path, changes: object, name: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ParamsError):
        params_file.edit(file, changes(name))  # type: ignore[operator]
    assert file.read_bytes() == before


def test_a_variant_in_a_file_written_by_hand_is_a_word_for_the_shell_and_no_command(tmp_path: Path) -> None:
    hostile = "x;touch${IFS}PWNED;y'\"$(touch PWNED)`touch PWNED`"
    written = f"variants: {json.dumps([hostile])}"
    (tmp_path / "params.yaml").write_text(re.sub("variants: .*", lambda _: written, (ROOT / "params.yaml").read_text()))
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        commands = [stage.cmd for stage in repo.index.stages if "--variant" in (stage.cmd or "")]

    assert len(commands) == len(("quantize", "convert", "evaluate"))
    for command in commands:
        words = command.replace("python3 -m", f"{sys.executable} -c 'import json, sys; print(json.dumps(sys.argv))'")
        said = subprocess.run(["sh", "-c", words], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert json.loads(said.stdout)[-2:] == ["--variant", hostile]
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize("parameter", ["deploy.path", "monitoring.path"])
@pytest.mark.parametrize("path", ["/", ".", "..", "../..", "deployed/..", "a\x00b", "a\nb"])
def test_a_folder_that_the_project_clears_is_its_own(file: Path, parameter: str, path: str) -> None:
    with pytest.raises(ParamsError, match=parameter):
        params_file.edit(file, {parameter: path})


@pytest.mark.parametrize("path", ["../records", "/srv/records", "a/b", "..a"])
def test_a_folder_beside_or_inside_the_project_may_be_named(file: Path, path: str) -> None:
    params_file.edit(file, {"monitoring.path": path})
    assert params_file.load(file).monitoring.path == path


@pytest.mark.parametrize(
    ("address", "way_out"),
    [
        ("http://mluser:S3cret@host:5000", "MLFLOW_TRACKING_USERNAME"),
        ("https://S3cret@host", "MLFLOW_TRACKING_TOKEN"),
        ("https://user:S3cret/with?slash@host", "MLFLOW_TRACKING_PASSWORD"),
        ("postgresql://me:S3cret@host/db", "PGPASSWORD"),
        ("postgresql+psycopg2://me:S3cret@host/db", "PGPASSWORD"),
        ("postgresql://host/db?user=me&password=S3cret", "PGPASSWORD"),
        ("mysql+pymysql://me:S3cret@host/db", "mlflow server"),
    ],
)
def test_a_password_in_an_address_is_refused_and_not_repeated(file: Path, address: str, way_out: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ParamsError, match=way_out) as error:
        params_file.edit(file, {"tracking.uri": address})
    assert "S3cret" not in str(error.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize("address", ["postgresql://me@host:5432/db", "http://host:5000", "sqlite:///mlflow.db"])
def test_an_address_without_one_is_taken(file: Path, address: str) -> None:
    params_file.edit(file, {"tracking.uri": address})
    assert params_file.load(file).tracking.uri == address


@pytest.mark.parametrize("parameter", ["deploy.url", "sweep.scheduler"])
def test_no_other_address_holds_one(file: Path, parameter: str) -> None:
    with pytest.raises(ParamsError, match=parameter) as error:
        params_file.edit(file, {parameter: "tcp://user:S3cret@host:1"})
    assert "S3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MLflow at http://a:S3cret@host failed", "MLflow at http://…@host failed"),
        ("x postgresql://me:a@S3cret@h/db?password=S3cret&b=1 y", "x postgresql://…@h/db?password=…&b=1 y"),
        ("models:/digits@champion at 3 o'clock", "models:/digits@champion at 3 o'clock"),
    ],
)
def test_no_error_of_ours_holds_a_password(text: str, shown: str) -> None:
    assert hidden(text) == shown
    assert str(TrackingError(text)) == shown
