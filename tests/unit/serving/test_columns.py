"""Columns that clients name, in every form in which they can."""

import csv
import io
import json

import numpy as np
import pytest

from qatflow.params.serving import ServingParams
from qatflow.serving import columns
from qatflow.serving.replies import RefusalError
from qatflow.serving.served import ServedModel
from tests.unit.release import fabricate
from tests.unit.serving.asgi import Asked

NAMES = list(fabricate.COLUMNS)
TURNED = NAMES[::-1]


@pytest.fixture(scope="module")
def server(tmp_path_factory, brightness):
    """A server of a model of 64 named columns."""
    made = fabricate.regressor(tmp_path_factory.mktemp("named"), brightness)
    return Asked(made, limits=ServingParams(max_body_bytes=1 << 20, max_batch=8))


@pytest.fixture(scope="module")
def rows(brightness):
    return brightness.test.arrays(3)[0]


def scores(reply):
    assert reply.status == 200, reply.body
    return reply.json["predictions"]["scores"]


def forms(names, x):
    """Yield the name and body of each form that names columns; `x` (n, columns) in the order of `names`."""
    yield "dataframe_split", {"columns": names, "data": x.tolist()}
    yield "dataframe_records", [dict(zip(names, row, strict=True)) for row in x.tolist()]
    yield "instances", [dict(zip(names, row, strict=True)) for row in x.tolist()]
    yield "inputs", dict(zip(names, x.T.tolist(), strict=True))


@pytest.fixture(scope="module")
def expected(server, rows):
    """The answer to rows in the model's own order, without names."""
    return scores(server("POST", "/invocations", {"inputs": rows.tolist()}))


def test_every_form_of_named_columns_is_put_in_order(server, rows, expected):
    for names, x in ((NAMES, rows), (TURNED, rows[:, ::-1])):
        for form, body in forms(names, x):
            assert scores(server("POST", "/invocations", {form: body})) == expected, form


def test_spaces_around_names_do_not_count(server, rows, expected):
    body = {"columns": [f" {name} " for name in TURNED], "data": rows[:, ::-1].tolist()}
    assert scores(server("POST", "/invocations", {"dataframe_split": body})) == expected


def test_a_csv_is_put_in_order_by_its_header(server, rows, expected):
    text = io.StringIO()
    csv.writer(text).writerows([TURNED, *rows[:, ::-1].tolist()])
    assert scores(server("POST", "/invocations", text.getvalue().encode(), content_type="text/csv")) == expected


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["other", *NAMES[1:]], "columns missing: pixel 0; unknown: other"),
        ([*NAMES[:-1], "pixel 0"], "columns missing: pixel 63; there twice: pixel 0"),
        ([str(number) for number in range(64)], "… 54 more …"),
        ([0, None, *NAMES[2:]], "unknown: 0, None"),
    ],
)
def test_missing_unknown_and_doubled_columns_are_named(server, rows, names, says):
    reply = server("POST", "/invocations", {"dataframe_split": {"columns": names, "data": rows.tolist()}})
    assert reply.status == 400
    assert says in reply.json["error"]


def test_a_column_too_many_or_too_few_is_refused_in_every_form(server, rows):
    wide = np.hstack([rows, rows[:, :1]])
    for names, x in (([*NAMES, "more"], wide), (NAMES[:-1], rows[:, :-1])):
        for form, body in forms(names, x):
            assert server("POST", "/invocations", {form: body}).status == 400, form


@pytest.mark.parametrize("names", [None, "pixel 0", 3, {"pixel 0": 1}])
def test_a_frame_without_a_list_of_names_is_refused(server, rows, names):
    reply = server("POST", "/invocations", {"dataframe_split": {"columns": names, "data": rows.tolist()}})
    assert reply.status == 400


@pytest.mark.parametrize("values", [[1.0], 3, [[1.0, 2.0]] * 3, ["a"] * 3, None])
def test_columns_of_other_lengths_or_no_numbers_are_refused(server, rows, values):
    body = dict(zip(NAMES, rows.T.tolist(), strict=True)) | {"pixel 5": values}
    assert server("POST", "/invocations", {"inputs": body}).status == 400


def tensor(name, values, **fields):
    return {"name": name, "shape": [len(values)], "datatype": "FP64", "data": values.tolist()} | fields


def test_a_v2_request_may_bring_a_tensor_for_each_column(server, rows, expected):
    inputs = [tensor(name, column) for name, column in zip(TURNED, rows.T[::-1], strict=True)]
    reply = server("POST", "/v2/models/digits/infer", {"inputs": inputs})
    assert reply.json["outputs"][0]["data"] == np.ravel(expected).tolist()
    deep = [one | {"shape": [3, 1]} for one in inputs]
    assert server("POST", "/v2/models/digits/infer", {"inputs": deep}).json["outputs"] == reply.json["outputs"]


def test_v2_columns_may_be_binary(server, rows, expected):
    inputs, tail = [], b""
    for name, column in zip(TURNED, rows.T[::-1], strict=True):
        one = tensor(name, column, parameters={"binary_data_size": 24})
        del one["data"]
        inputs.append(one)
        tail += column.astype("<f8").tobytes()
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"inference_header_content_length": str(len(head))}
    reply = server("POST", "/v2/models/digits/infer", head + tail, **headers)
    assert reply.json["outputs"][0]["data"] == np.ravel(expected).tolist()
    assert server("POST", "/v2/models/digits/infer", head + tail[:-1], **headers).status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"name": "pixel 1"},
        {"shape": [4]},
        {"shape": [3, 2]},
        {"shape": None},
        {"datatype": "BYTES"},
        {"data": ["a", "b", "c"]},
        {"data": [1, 2]},
        {"parameters": {"binary_data_size": -8}},
        {"parameters": {"binary_data_size": "8"}},
    ],
)
def test_v2_columns_that_do_not_fit_are_refused(server, rows, change):
    inputs = [tensor(name, column) for name, column in zip(NAMES, rows.T, strict=True)]
    reply = server("POST", "/v2/models/digits/infer", {"inputs": [inputs[0] | change, *inputs[1:]]})
    assert reply.status == 400
    assert reply.json["error"]
    assert server("POST", "/v2/models/digits/infer", {"inputs": [*inputs, 3]}).status == 400


def test_metadata_list_the_columns_only_where_there_are_names(server, bundle):
    facts = server("GET", "/v2/models/digits").json
    assert facts["parameters"]["columns"] == NAMES
    assert "columns" not in Asked(bundle)("GET", "/v2/models/digits").json["parameters"]


def test_no_rows_are_no_samples(server):
    with pytest.raises(RefusalError):
        columns.taken(NAMES, [], server.model.manifest, 8)


def test_a_model_of_other_columns_does_not_replace_it_but_one_without_names_does(server, tmp_path, brightness):
    def served(name, names):
        (tmp_path / name).mkdir()
        from qatflow.release.bundle import load_bundle

        return ServedModel(load_bundle(fabricate.regressor(tmp_path / name, brightness, tuple(names))))

    assert not served("turned", TURNED).replaces(server.model)
    assert served("same", NAMES).replaces(server.model)
    assert served("unnamed", []).replaces(server.model)
