import shutil
from pathlib import Path

import grimp
import pytest

from qatflow.errors import ArtifactError, StageError
from qatflow.sweep.origin import CODE, OWN, check_origin, origin_of, prepared_folder

BESIDE = {
    *("qatflow", "qatflow.artifacts", "qatflow.errors", "qatflow.holding", "qatflow.progress"),  # decide no figure
    *("qatflow.search", "qatflow.sweep", "qatflow.sweep.keep", "qatflow.sweep.origin", "qatflow.sweep.trials"),
    "qatflow.sweep.watch",
}


def test_the_digest_of_the_code_covers_what_a_trial_imports():
    graph, found, waiting = (
        grimp.build_graph("qatflow", cache_dir=None, exclude_type_checking_imports=True),
        set(),
        ["qatflow.sweep.measure"],
    )
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [*graph.find_modules_directly_imported_by(name), *filter(None, [name.rpartition(".")[0]])]
    covered = [f"qatflow.{name.removesuffix('.py').replace('/', '.')}" for name in (*CODE, *OWN)]
    missing = {name for name in found if not any(name == c or name.startswith(f"{c}.") for c in covered)}
    assert missing - BESIDE == set()


def test_a_worker_with_the_same_code_and_data_is_taken(project):
    check_origin(project.root, project.origin)


@pytest.mark.parametrize(("name", "mend"), [("code", "the same commit"), ("data", "dvc repro prepare")])
def test_a_worker_with_others_is_refused(project, name, mend):
    with pytest.raises(StageError, match=f"other {name} than the flow; it needs .*{mend}"):
        check_origin(project.root, {**project.origin, name: "0" * 64})


def test_a_worker_without_data_or_with_altered_data_is_refused(project, tmp_path):
    with pytest.raises(ArtifactError, match="missing"):
        origin_of(tmp_path)
    copy = shutil.copytree(prepared_folder(project.root), prepared_folder(tmp_path))
    (Path(copy) / "data_card.json").write_text("{}")
    with pytest.raises(ArtifactError, match="altered"):
        origin_of(tmp_path)
