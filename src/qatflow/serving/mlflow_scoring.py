"""MLflow's scoring protocol, `/invocations`, so that its clients work unchanged: JSON in four forms, and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from qatflow.serving import tensors
from qatflow.serving.body import parse_json
from qatflow.serving.replies import RefusalError, Reply, json_reply, shown
from qatflow.serving.served import Answer, Question, ServedModel

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")


def parse(body: bytes, headers: Mapping[bytes, bytes], model: ServedModel, max_batch: int) -> Question:
    """Return the question in a request.

    `inputs` and `instances` hold nested lists (n, *input shape). `dataframe_split`, `dataframe_records` and CSV hold
    one sample a row, for models that take vectors; the columns' order is the vector's.

    Raises:
        RefusalError: 400 if the body has no such form, 413 for too many samples, 415 for another content type.
    """
    shape = model.manifest.input.shape
    if _is_csv(headers.get(b"content-type", b"application/json")):
        return Question(tensors.samples(_csv_rows(body), _vector(shape), max_batch))
    request = parse_json(body)
    given = [form for form in FORMS if form in request] if isinstance(request, dict) else []
    if len(given) != 1 or set(request) - {*given, "params"}:
        raise RefusalError(400, f"the body must be a JSON object with exactly one of {', '.join(FORMS)}")
    values = request[given[0]]
    if given[0].startswith("dataframe"):
        values, shape = _rows(given[0], values), _vector(shape)
    elif isinstance(values, dict):
        raise RefusalError(400, f"{given[0]} names tensors; the model takes one without a name, as nested lists")
    return Question(tensors.samples(values, shape, max_batch))


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


def _csv_rows(body: bytes) -> list[list[float]]:
    """Return the rows below the header."""
    try:
        rows = list(csv.reader(io.StringIO(body.decode())))[1:]
        return [[float(value) for value in row] for row in rows if row]
    except (ValueError, csv.Error):
        raise RefusalError(400, "the body is no CSV of a header and rows of numbers, in UTF-8") from None


def _vector(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) != 1:
        raise RefusalError(400, f"rows are vectors, the model takes samples of {list(shape)}; send inputs or instances")
    return shape


def _rows(form: str, table: Any) -> Any:
    if form == "dataframe_split" and isinstance(table, dict):
        return table.get("data")
    if form == "dataframe_records" and isinstance(table, list) and all(isinstance(row, dict) for row in table):
        if any(row.keys() != table[0].keys() for row in table):
            raise RefusalError(400, "dataframe_records: the rows have different columns")
        return [[row[column] for column in table[0]] for row in table]
    raise RefusalError(400, f"{form} is {shown(table)}; expected what pandas writes with that orientation")
