"""MLflow's scoring protocol, `/invocations`, so that its clients work unchanged: JSON in four forms, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from qatflow.serving import columns, tensors
from qatflow.serving.body import parse_json
from qatflow.serving.replies import RefusalError, Reply, json_reply, shown
from qatflow.serving.served import Answer, Question, ServedModel

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")


def parse(body: bytes, headers: Mapping[bytes, bytes], model: ServedModel, max_batch: int) -> Question:
    """Return the question in a request.

    `inputs` and `instances` hold nested lists (n, *input shape). `dataframe_split`, `dataframe_records` and CSV hold
    one sample a row, for models that take vectors. Where the model knows the names of its columns, they go into its
    order by them, also those of `inputs` by column and of `instances` by row; else their order is the vector's.

    Raises:
        RefusalError: 400 if the body has no such form, 413 for too many samples, 415 for another content type.
    """
    if _is_csv(headers.get(b"content-type", b"application/json")):
        return Question(columns.taken(*_csv_rows(body), model.manifest, max_batch))
    request = parse_json(body)
    given = [form for form in FORMS if form in request] if isinstance(request, dict) else []
    if len(given) != 1 or set(request) - {*given, "params"}:
        raise RefusalError(400, f"the body must be a JSON object with exactly one of {', '.join(FORMS)}")
    form, values = given[0], request[given[0]]
    named = bool(model.manifest.features)
    if form.startswith("dataframe"):
        return Question(columns.taken(*_rows(form, values), model.manifest, max_batch))
    if named and isinstance(values, dict):
        return Question(columns.taken(list(values), columns.rows_of(values), model.manifest, max_batch))
    if named and isinstance(values, list) and values and isinstance(values[0], dict):
        return Question(columns.taken(*_records(form, values), model.manifest, max_batch))
    if isinstance(values, dict):
        raise RefusalError(400, f"{form} names tensors; the model takes one without a name, as nested lists")
    return Question(tensors.samples(values, model.manifest.input.shape, max_batch))


def render(_name: str, _question: Question, answer: Answer, model: ServedModel, _request_id: str) -> Reply:
    """Return the reply as MLflow writes that of the logged model: `{"predictions": {"scores": ..., "labels": ...}}`."""
    predictions: dict[str, Any] = {"scores": answer.scores}
    if answer.labels is not None:
        predictions["labels"] = [model.manifest.labels[index] for index in answer.labels.tolist()]
    return json_reply({"predictions": predictions})


def _is_csv(content_type: bytes) -> bool:
    kind, _, rest = content_type.partition(b";")
    charset = rest.strip().lower()
    if kind.strip().lower() not in {b"application/json", b"text/csv"} or charset not in {b"", b"charset=utf-8"}:
        raise RefusalError(415, f"content type {shown(content_type.decode('latin-1'))}; expected JSON or CSV, in UTF-8")
    return kind.strip().lower() == b"text/csv"


def _csv_rows(body: bytes) -> tuple[list[str], list[list[float]]]:
    """Return the header, and the rows below it."""
    try:
        header, *rows = csv.reader(io.StringIO(body.decode("utf-8-sig")))
    except (ValueError, csv.Error):
        raise RefusalError(400, "the body is no CSV of a header and rows of numbers, in UTF-8") from None
    try:
        return [name.strip() for name in header], [[float(value) for value in row] for row in rows if row]
    except ValueError:
        raise RefusalError(400, _no_number(header, rows)) from None


def _no_number(header: list[str], rows: list[list[str]]) -> str:
    """Say which value is none: mostly the label, in a table as it trained the model."""
    for number, row in enumerate(rows, 1):
        for name, value in zip(header, row, strict=False):
            if not _is_number(value):
                where = f"row {number}, column '{shown(name)}'"
                return f"{where}: '{shown(value)}' is no number; send the model's own columns alone"
    return "rows of the CSV hold what is no number"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _rows(form: str, table: Any) -> tuple[Any, Any]:
    """Return the names of the columns, None where there are none, and the rows."""
    if form == "dataframe_split" and isinstance(table, dict):
        return table.get("columns"), table.get("data")
    if form == "dataframe_records" and isinstance(table, list):
        return _records(form, table)
    raise RefusalError(400, f"{form} is {shown(table)}; expected what pandas writes with that orientation")


def _records(form: str, table: list[Any]) -> tuple[list[str], list[list[Any]]]:
    if not all(isinstance(row, dict) for row in table):
        raise RefusalError(400, f"{form} is {shown(table)}; expected what pandas writes as records")
    if any(row.keys() != table[0].keys() for row in table):
        raise RefusalError(400, f"{form}: the rows have different columns")
    names = list(table[0]) if table else []
    return names, [[row[name] for name in names] for row in table]
