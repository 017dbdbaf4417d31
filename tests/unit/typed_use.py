"""Uses the public interface as a caller does; mypy reads this file, nobody runs it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import numpy.typing as npt

import qatflow
from qatflow import Bundle, Goal, Options, SearchResult

Array = npt.NDArray[Any]


def use(x: Array, y: Array) -> None:
    """Let the checker look at every public name."""
    result = assert_type(
        qatflow.quantize("a.keras", (x, y), "ptq_w8a8", goal=Goal(0.01), options=Options(epochs=1)), SearchResult
    )
    assert_type(qatflow.auto_quantize("a.keras", (x, y), max_drop=0.02), SearchResult)
    assert_type((result.strategy, result.reason, result.metric), tuple[str, str, str])
    assert_type(result.flatbuffer, bytes)
    assert_type(result.chosen.score, float | None)
    assert_type(result.chosen.widths, Mapping[str, int])
    assert_type(qatflow.save_bundle(result, "out"), Path)
    bundle = qatflow.load_bundle("out")
    assert_type(bundle, Bundle)
    assert_type(bundle.predict(x), dict[str, Array])
    assert_type(bundle.manifest.labels, tuple[str, ...])
    assert_type(qatflow.evaluate(bundle, (x, y)).score, float)
    assert_type(qatflow.evaluate(result.flatbuffer, (x, y), task="classification").samples, int)
    assert_type(qatflow.compare("a", bundle).finding, str)
    assert_type(qatflow.explain(bundle, x)[0].values, Array)
    assert_type(qatflow.__version__, str)
    error: Exception = qatflow.QATFlowError("")
    assert isinstance(error, (qatflow.ParamsError, qatflow.DataError, qatflow.ModelError))
    qatflow.quantise  # type: ignore[attr-defined]  # noqa: B018 (a misspelt name is an error, not Any)
    qatflow.evaluate(7, x)  # type: ignore[arg-type]
