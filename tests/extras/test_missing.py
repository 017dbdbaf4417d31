"""A package that is not installed is named in a sentence with the extra that brings it; other modules are not."""

import json

import pytest

from qatflow.cli.doctor import _package_fault
from qatflow.extras import extra_of, named, package_of

NEEDS = [
    ("infer bundle x.png", "`qatflow infer`", "pillow", "images"),
    ("evaluate bundle --data digits", "qatflow.evaluate", "scikit-learn", "evaluate"),
    ("compare bundle bundle", "`qatflow compare`", "jinja2", "evaluate"),
    ("visualize bundle --data digits", "`qatflow visualize`", "scikit-learn", "evaluate"),
    ("explain bundle --data digits --index 0", "`qatflow explain`", "scikit-learn", "explain"),
    ("distil bundle --student x.png --data digits --out o", "`qatflow distil`", "tensorflow", "quantize"),
    ("quantize x.png --data digits --out o", "`qatflow quantize`", "tensorflow", "quantize"),
    ("deploy bundle --target mlflow --to o", "`qatflow deploy`", "mlflow", "pipeline"),
    ("deploy bundle --target archive --to o --key x.png", "Signing", "cryptography", "serve"),
    ("keygen k", "`qatflow keygen`", "cryptography", "serve"),
    ("serve --model models:/digits@champion", "`qatflow serve`", "mlflow", "pipeline"),
    ("run", "`qatflow run`", "prefect", "pipeline"),
    ("status", "`qatflow status`", "dvc", "pipeline"),
    ("sweep", "`qatflow sweep`", "prefect", "sweep"),
    ("online --stream spool:s", "`qatflow online`", "prefect", "online"),
]
BY_CALLS = [
    ("", "qatflow.auto_quantize", "tensorflow", "quantize"),
    ("", "Stage 'prepare' of the pipeline", "scikit-learn", "pipeline"),
]
"""Words, what says that it needs something, the package met first, the extra that is to be installed."""
PROGRAM = """
import json, sys
from pathlib import Path
import qatflow
from qatflow.__main__ import main
told = []
for words in ["init .", *json.loads(sys.argv[1])]:
    sys.argv[1:] = words.split()
    try:
        main()
    except SystemExit as end:
        told.append(end.code)
try:
    qatflow.auto_quantize("x.png", "digits")
except qatflow.QATFlowError as error:
    told.append(f"Error: {error}")
from qatflow.pipeline.stage import execute
from tasks.prepare import prepare
try:
    execute(prepare, Path.cwd(), "", lambda *_: None)
except qatflow.QATFlowError as error:
    told.append(f"Error: {error}")
print(json.dumps(told[1:]))
"""


@pytest.mark.slow
def test_commands_functions_and_stages_say_what_they_need(bundle, only, tmp_path):
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "bundle").symlink_to(bundle)
    (home / "x.png").touch(mode=0o600)
    expected = [
        f"Error: {what} needs {package}, which is not installed: pip install 'qatflow[{extra}]'"
        for _, what, package, extra in [*NEEDS, *BY_CALLS]
    ]
    program = f"import os; os.chdir({str(home)!r})\n{PROGRAM}"

    said = only("")("-c", program, json.dumps([words for words, *_ in NEEDS])).splitlines()[-1]

    assert json.loads(said) == expected


@pytest.mark.parametrize("module", ["a_users_own_module", "pytest.no_such"])
def test_a_module_that_no_extra_brings_stays_a_traceback(module):
    with pytest.raises(ModuleNotFoundError, match=module), named("`qatflow run`"):
        __import__(module)


def test_a_package_in_several_extras_is_named_with_the_smallest_unless_one_is_asked_for(alone, monkeypatch):
    monkeypatch.syspath_prepend(alone(""))

    assert [extra_of(package_of(module)) for module in ("PIL", "sklearn", "tensorflow_model_optimization", "dvc")] == [
        "images",
        "evaluate",
        "quantize",
        "pipeline",
    ]
    assert extra_of("scipy", "qatflow.auto_quantize") == "quantize"
    assert extra_of("numpy") is extra_of("no-such-package") is None


def test_the_doctor_misses_no_extra():
    assert _package_fault("confluent-kafka", "2", "3") is None
    assert _package_fault("no-such-package", "2", "3") == "no-such-package is missing"
