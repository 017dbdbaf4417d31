"""Which code made this: what changes a digest, what does not, and where the walk goes."""

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

from qatflow import identity
from qatflow.errors import CodeError, QATFlowError
from qatflow.identity import COUNTED, IDLE, STOPS, Code, code_digest

ROOT = Path(__file__).parents[2]
GRAPH = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text("utf-8"))
STAGES = tuple(f"tasks.{stage}" for stage in GRAPH["stages"])
Project = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    def write(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return tmp_path / "project"

    return write


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package that can be edited."""
    package = tmp_path / "elsewhere" / "qatflow"
    shutil.copytree(identity.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(identity, "PACKAGE", package)
    return package


def stages() -> dict[str, Code]:
    return {name: code_digest(name, project=ROOT) for name in STAGES}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def install(folder: Path, package: str, release: str) -> None:
    """Lay a package's metadata where `importlib.metadata` looks first, as an upgrade would."""
    metadata = folder / f"{package.replace('-', '_')}-{release}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {release}\n")


def test_a_docstring_a_comment_and_the_place_change_nothing(copy: Path) -> None:
    path = copy / "quantization" / "grid.py"
    before = code_digest("qatflow.quantization.grid")
    edit(path, '"""', '"""New. ')
    edit(path, "    return", "    # new\n\n    return")
    elsewhere = code_digest("qatflow.quantization.grid")
    assert before.since(elsewhere) == ()
    assert before == elsewhere


def test_a_line_of_arithmetic_changes_exactly_the_stages_that_import_it(copy: Path) -> None:
    before = stages()
    edit(copy / "quantization" / "grid.py", "-", "+ 0 -")
    (copy / "quantization" / "grid.py").open("a").write("\nNEW = 1 + 1\n")
    after = stages()
    changed = {name for name in STAGES if before[name].digest != after[name].digest}
    graph = grimp.build_graph("tasks", "qatflow", cache_dir=None)
    reach = {name for name in STAGES if "qatflow.quantization.grid" in graph.find_upstream_modules(name)}
    assert {"tasks.quantize", "tasks.convert"} <= changed <= reach
    assert changed == {name for name in STAGES if "qatflow.quantization.grid" in before[name].modules}
    assert after["tasks.quantize"].since(before["tasks.quantize"]) == ("qatflow.quantization.grid changed",)


def test_what_computes_nothing_changes_nothing(copy: Path) -> None:
    before = stages()
    for module in ("progress", "errors", "params_file", "cli/run", "adapters/mlflow_log", "__init__"):
        (copy / f"{module}.py").open("a").write("\nNEW = 1\n")
    assert stages() == before


def test_the_closure_is_what_another_tool_finds_without_what_stops() -> None:
    graph = grimp.build_graph("tasks", "qatflow", cache_dir=None, exclude_type_checking_imports=True)
    for name, code in stages().items():
        found, waiting = set(), [name]
        while waiting:
            module = waiting.pop()
            if module not in found and not identity._stopped(module):
                found.add(module)
                waiting += [*graph.find_modules_directly_imported_by(module)]
                waiting += filter(None, [module.rpartition(".")[0]])
        assert set(code.modules) == found


WAYS = {
    "import tasks.sub.deep": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "import tasks.sub.deep as d": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "from tasks.sub import deep": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "from tasks.sub import NAME": {"tasks", "tasks.sub"},
    "from .sub import deep as other": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "from . import sub": {"tasks", "tasks.sub"},
    "from .sub import *": {"tasks", "tasks.sub", "tasks.sub.deep", "tasks.sub.up"},
    "from tasks.sub import up": {"tasks", "tasks.sub", "tasks.sub.up", "tasks.side"},
    "def f():\n    from tasks.sub import deep": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "class A:\n    def f(self):\n        import plugin": {"tasks", "plugin"},
    "try:\n    import plugin\nexcept ImportError:\n    pass": {"tasks", "plugin"},
    "import loose.part": {"tasks", "loose.part"},
    "import tasks as t\nt.sub.deep.f()": {"tasks", "tasks.sub", "tasks.sub.deep"},
    "from importlib import import_module as load\nload('tasks.side')": {"tasks", "tasks.side"},
    "from importlib import import_module as load\nload('.side', __package__)": {"tasks", "tasks.side"},
    "import importlib\nTABLE = {'a': 'plugin:f', 'b': 'tasks.side:f'}\nf = importlib.import_module(TABLE[x])": {
        *("tasks", "tasks.side")
    },
    "import sys, subprocess\nsubprocess.run([sys.executable, '-m', 'tasks.side'])": {"tasks", "tasks.side"},
    "log('tasks.side')": {"tasks"},
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import plugin": {"tasks"},
    "import typing as t\nif t.TYPE_CHECKING:\n    import plugin\nelse:\n    import tasks.side": {"tasks", "tasks.side"},
    "from missing import plugin": {"tasks"},
    "import tasks.missing": {"tasks"},
}
MODULES = {
    "tasks/__init__.py": "",
    "tasks/side.py": "def f(): pass",
    "tasks/sub/__init__.py": "NAME = 1",
    "tasks/sub/deep.py": "",
    "tasks/sub/up.py": "from ..side import f",
    "plugin.py": "",
    "loose/part.py": "",
}


@pytest.mark.parametrize("text", WAYS)
def test_every_way_of_importing_is_followed(project: Project, text: str) -> None:
    root = project({**MODULES, "tasks/own.py": text})
    expected = WAYS[text] | {"tasks.own"} | ({"tasks.side"} if "tasks.sub.up" in WAYS[text] else set())
    assert set(code_digest("tasks.own", project=root).modules) == expected
    assert code_digest(root / "tasks" / "own.py", project=root) == code_digest("tasks.own", project=root)


def test_a_name_of_the_front_door_is_followed_to_its_home(project: Project) -> None:
    root = project({"a.py": "from qatflow import quantize", "b.py": "import qatflow as q\nq.quantize(1)", "c.py": ""})
    (root / "d.py").write_text("from qatflow import __version__")
    a, b, c, d = (set(code_digest(name, project=root).modules) for name in "abcd")
    assert "qatflow.search.api" in a
    assert "qatflow.quantization.grid" in a
    assert a - {"a"} == b - {"b"}
    assert (c, d) == ({"c"}, {"d"})


def test_what_a_root_hands_on_is_followed_and_the_root_is_not(copy: Path, project: Project) -> None:
    """A section of the parameters counts where it is asked for; the root of all, and the others, do not."""
    texts = {"__init__": "from .one import One\nfrom .two import Two\nX = 1", "one": "A = 1", "two": ""}
    for name, text in texts.items():
        (copy / "params" / f"{name}.py").write_text(text)
    root = project({"own.py": "from qatflow.params import One", "else.py": "from qatflow import params\nparams.Two()"})
    assert set(code_digest("own", project=root).modules) == {"own", "qatflow.params.one"}
    assert set(code_digest("else", project=root).modules) == {"else", "qatflow.params.two"}


def test_an_installed_plugin_is_followed_where_it_is_named(project: Project) -> None:
    root = project(
        {"tasks/own.py": "import acme", "site/acme/__init__.py": "from acme import deep", "site/acme/deep.py": ""}
    )
    followed = code_digest("tasks.own", project=root, packages={"acme": root / "site" / "acme"})
    assert set(followed.modules) == {"tasks.own", "acme", "acme.deep"}
    assert dict(code_digest("tasks.own", project=root).packages) == {"acme": "missing"}


def test_several_entries_are_one_closure(project: Project) -> None:
    root = project(MODULES)
    both = code_digest("tasks.sub.deep", "plugin", project=root)
    assert set(both.modules) == {"tasks", "tasks.sub", "tasks.sub.deep", "plugin"}


def test_a_file_of_a_package_counts_where_the_package_does(copy: Path) -> None:
    before = stages()
    (copy / "report" / "templates" / "style.css").open("a").write("body { color: red }")
    (copy / "README.txt").write_text("beside the root, which does not count")
    after = stages()
    changed = {name for name in STAGES if before[name] != after[name]}
    assert changed == {name for name in STAGES if "qatflow.report" in before[name].modules}
    assert "tasks.report" in changed
    assert after["tasks.report"].since(before["tasks.report"]) == ("qatflow.report:templates/style.css changed",)


def test_files_that_python_makes_itself_do_not_count(project: Project) -> None:
    root = project({"tasks/__init__.py": "", "tasks/own.py": "", "tasks/table.json": "[1]"})
    before = code_digest("tasks.own", project=root)
    project({"tasks/__pycache__/own.pyc": "", "tasks/.hidden": "", "tasks/table.json~": "", "other.json": "[]"})
    assert code_digest("tasks.own", project=root) == before
    assert list(before.files) == ["tasks:table.json"]
    project({"tasks/inner/__init__.py": "", "tasks/inner/a.json": "", "tasks/folder/b.json": ""})
    assert list(code_digest("tasks.own", project=root).files) == ["tasks:folder/b.json", "tasks:table.json"]
    (root / "tasks" / "folder" / "b.json").unlink()
    project({"tasks/table.json": "[2]"})
    assert code_digest("tasks.own", project=root).since(before) == ("tasks:table.json changed",)


def test_another_tensorflow_changes_those_that_import_it_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stages()
    for package in ("tensorflow", "prefect", "mlflow", "dvc", "pydantic"):
        install(tmp_path, package, "99.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    after = stages()
    changed = {name for name in STAGES if before[name].digest != after[name].digest}
    assert changed == {name for name in STAGES if "tensorflow" in before[name].packages}
    assert {"tasks.pretrain", "tasks.quantize", "tasks.convert"} <= changed
    assert not {"tasks.prepare", "tasks.evaluate", "tasks.release", "tasks.report"} & changed
    old = before["tasks.convert"].packages["tensorflow"]
    assert after["tasks.convert"].since(before["tasks.convert"]) == (f"tensorflow {old} -> 99.1",)


def test_a_package_of_the_users_own_choice_counts(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"own.py": "import json\nimport acme_ml\nimport prefect\nfrom sklearn import svm"})
    install(tmp_path / "site", "acme-ml", "1.0")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    packages = code_digest("own", project=root).packages
    assert packages["acme-ml" if "acme-ml" in packages else "acme_ml"] == "1.0"
    assert set(packages) == {"acme_ml", "scikit-learn", "scipy"}


def test_every_package_that_stages_import_is_decided_upon() -> None:
    walk = identity._Walk(ROOT, {})
    for name in STAGES:
        walk.enter(name)
    undecided = walk.foreign - set(COUNTED) - IDLE - sys.stdlib_module_names
    assert undecided == set(), "decide in qatflow/identity.py whether its version can change bytes"


def test_stops_stand_for_something_but_for_the_room_that_is_being_built() -> None:
    modules = grimp.build_graph("qatflow", cache_dir=None).modules
    unused = {pattern for pattern in STOPS if not any(identity.fnmatchcase(name, pattern) for name in modules)}
    assert unused <= {"qatflow.pipeline", "qatflow.pipeline.*"}


def test_a_mistake_in_a_file_is_told_with_its_line(project: Project) -> None:
    root = project({"own.py": "import other", "other.py": "x = 1\ndef f(:\n"})
    with pytest.raises(QATFlowError, match=r"other\.py, line 2, is no Python: .*Mend it"):
        code_digest("own", project=root)
    project({"other.py": "x = 1\0"})
    with pytest.raises(CodeError, match=r"other\.py.* is no Python"):
        code_digest("own", project=root)


def test_an_entry_that_does_not_exist_is_told_with_what_is_near(project: Project) -> None:
    root = project(MODULES)
    with pytest.raises(CodeError, match=r"no module 'tasks.sid' .*Did you mean 'tasks.side'"):
        code_digest("tasks.sid", project=root)
    with pytest.raises(CodeError, match="cannot be read"):
        code_digest(root / "tasks" / "none.py", project=root)


def test_two_are_compared_in_words() -> None:
    before = Code({"a": "1", "b": "1"}, {"a:t.css": "1"}, {"tensorflow": "2.20", "numpy": "2.4"})
    now = Code({"a": "2", "c": "1"}, {"a:t.css": "1"}, {"tensorflow": "2.21", "scipy": "1.17"})
    assert now.since(before) == (
        *("a changed", "b is gone", "c is new"),
        *("numpy 2.4 -> unused", "scipy unused -> 1.17", "tensorflow 2.20 -> 2.21"),
    )
    assert before.digest != now.digest
    assert before.since(before) == ()
