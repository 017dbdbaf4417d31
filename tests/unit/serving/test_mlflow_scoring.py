import pytest

from qatflow.release.bundle import load_bundle
from tests.unit.release import fabricate
from tests.unit.serving.asgi import Asked, images


@pytest.mark.parametrize("form", ["inputs", "instances"])
def test_answers_as_the_logged_model_does(server, bundle, form):
    x = images(3)
    reply = server("POST", "/invocations", {form: x.tolist()})
    expected = load_bundle(bundle).predict(x)
    assert reply.status == 200
    assert reply.json == {"predictions": {name: values.tolist() for name, values in expected.items()}}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": [], "instances": []},
        {"inputs": [[1]], "more": 1},
        {"inputs": {"a": [1]}},
        {"inputs": []},
        {"inputs": "x"},
        {"dataframe_split": {"data": [[1]]}},
        {"dataframe_records": [{"a": 1}]},
        [],
    ],
)
def test_other_bodies_are_refused(server, body):
    reply = server("POST", "/invocations", body)
    assert reply.status == 400
    assert reply.json["error"]


@pytest.mark.parametrize("kind", ["text/html", "application/json; charset=latin-1", "\x00"])
def test_other_content_types_are_refused(server, kind):
    assert server("POST", "/invocations", {"inputs": images().tolist()}, content_type=kind).status == 415


@pytest.fixture(scope="module")
def table(tmp_path_factory, brightness):
    """A server of a model that takes vectors."""
    return Asked(fabricate.regressor(tmp_path_factory.mktemp("regressor"), brightness, columns=()))


def test_tables_come_as_data_frames_and_csv(table):
    row = [value / 64 for value in range(64)]
    columns = [f"p{index}" for index in range(64)]
    split = table("POST", "/invocations", {"dataframe_split": {"columns": columns, "data": [row, row]}})
    records = table("POST", "/invocations", {"dataframe_records": [dict(zip(columns, row, strict=True))] * 2})
    text = "\n".join([",".join(columns), *[",".join(map(str, row))] * 2])
    csv = table("POST", "/invocations", text.encode(), content_type="text/csv")
    assert split.status == 200
    assert split.json == records.json == csv.json


@pytest.mark.parametrize("body", [b"", b"a,b\n1", b"a\nx", b"\xff", b"a\n" + b"9" * 400])
def test_a_bad_csv_is_refused(table, body):
    assert table("POST", "/invocations", body, content_type="text/csv").status == 400


def test_of_a_csv_with_its_label_the_column_is_named(table):
    reply = table("POST", "/invocations", b"a,outcome\n1,2\n1,good\n", content_type="text/csv")
    assert reply.status == 400
    assert "row 2, column 'outcome': 'good' is no number" in reply.json["error"]


def test_rows_with_other_columns_are_refused(table):
    rows = [{"a": 1}, {"b": 1}]
    assert "different columns" in table("POST", "/invocations", {"dataframe_records": rows}).json["error"]
