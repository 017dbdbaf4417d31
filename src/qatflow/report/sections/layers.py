"""One folded part per variant: its layers, how exactly it computes, what it is made of."""

from qatflow.report import summary, wording
from qatflow.report.figures.layers import histogram, noise
from qatflow.report.figures.lsb import lsb
from qatflow.report.figures.svg import Figure
from qatflow.report.read import Record, Run, Variant

COMPARISONS = {
    "lsb_histogram_fake_quant": "the fake-quant model",
    "lsb_histogram_kernels": "the reference kernels",
}


def layers(run: Run) -> list[Record]:
    """Return one record per variant; the focused one is shown unfolded."""
    focus = summary.focus(run)
    return [_variant(variant, variant == focus) for variant in run.variants]


def _variant(variant: Variant, unfolded: bool) -> Record:
    evaluation = variant.evaluation
    inventory = evaluation["inventory"]
    return {
        "name": variant.name,
        "unfolded": unfolded,
        "sha256": evaluation["sha256"],
        "figures": _noise(evaluation["layers"]) + _exactness(evaluation),
        "layers": [_layer(layer) for layer in evaluation["layers"]],
        "operators": inventory["operators"],
        "tensor_dtypes": inventory["tensor_dtypes"],
        "weight_bytes": {dtype: wording.size(size) for dtype, size in inventory["weight_bytes"].items()},
    }


def _noise(layers: list[Record]) -> list[Figure]:
    """Layers kept in float have no noise to show."""
    measured = [(layer["name"], layer["sqnr_db"]) for layer in layers if layer["sqnr_db"] is not None]
    return [noise(measured)] if measured else []


def _exactness(evaluation: Record) -> list[Figure]:
    return [lsb(evaluation[key], other) for key, other in COMPARISONS.items() if evaluation.get(key)]


def _layer(layer: Record) -> Record:
    return {
        "name": layer["name"],
        "operator": layer["operator"],
        "dtype": layer["dtype"],
        "sqnr": wording.ABSENT if layer["sqnr_db"] is None else f"{layer['sqnr_db']:.1f}",
        "weights": _histogram(layer["weights_histogram"], f"Weights of {layer['name']}"),
        "errors": _histogram(layer["error_histogram"], f"Weight errors of {layer['name']}"),
    }


def _histogram(values: Record | None, alt: str) -> str:
    """There are no errors where the float model has no such layer."""
    return histogram(values["edges"], values["counts"], alt) if values else ""
