"""What `import qatflow` offers: few names, typed, lazy, each with an example that runs."""

import doctest
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import qatflow
from tests.api_page import ORDER, PAGE, page

TYPED = Path(__file__).with_name("typed_use.py")


def test_only_public_names_are_shown_and_nothing_heavy_is_imported():
    heavy = "{'tensorflow', 'mlflow', 'prefect', 'matplotlib'}"
    look = "qatflow.load_bundle; qatflow.evaluate; qatflow.explain; qatflow.compare"
    shown = "assert dir(qatflow) == sorted(qatflow.__all__)"

    for program, unwanted in ((shown, "{'tensorflow', 'numpy', 'pydantic'}"), (f"{look}; {shown}", heavy)):
        whole = f"import sys, qatflow; {program}; sys.exit(bool({unwanted} & {{*sys.modules}}))"
        assert subprocess.run([sys.executable, "-c", whole], check=False).returncode == 0


def test_no_module_takes_a_public_name():
    modules = {module.name for module in pkgutil.iter_modules(qatflow.__path__)}

    assert not modules & set(qatflow.__all__)  # once imported, it would stand in the function's place


def test_every_public_name_has_its_place_on_the_page():
    assert sorted([*ORDER, "__version__"]) == sorted(qatflow.__all__)
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/api.md is old: run `python -m tests.api_page`"


def test_every_public_name_but_the_lesser_errors_has_an_example():
    without = {name for name in ORDER if ">>> " not in (getattr(qatflow, name).__doc__ or "")}

    assert without == {"ParamsError", "DataError", "ModelError", "ConversionError", "ArtifactError"}


@pytest.mark.slow
def test_the_examples_on_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plain = PAGE.read_text(encoding="utf-8").replace("```", "")  # else the fence is taken for output
    found = doctest.DocTestParser().get_doctest(plain, {}, PAGE.name, str(PAGE), 0)

    assert doctest.DocTestRunner().run(found) == (0, len(found.examples))


@pytest.mark.slow
def test_a_type_checker_knows_every_result():
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary", str(TYPED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])

    assert (done.stdout, done.returncode) == ("", 0)
