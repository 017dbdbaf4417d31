from importlib.resources import files

from qatflow.report.sections import SECTIONS


def test_every_section_has_its_template():
    templates = files("qatflow.report").joinpath("templates")
    assert [name for name in SECTIONS if not templates.joinpath(f"{name}.html.j2").is_file()] == []
