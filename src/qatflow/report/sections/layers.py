"""One folded part per variant: its layers, how exactly it computes, what it is made of."""

from qatflow.evaluation.result import Evaluation, Histogram, Layer, LayerContents
from qatflow.report import summary, wording
from qatflow.report.channels import channel_noise
from qatflow.report.figures.channels import channels
from qatflow.report.figures.layers import histogram, noise
from qatflow.report.figures.lsb import lsb
from qatflow.report.figures.sensitivity import sensitivity
from qatflow.report.figures.sizes import LayerSize, sizes
from qatflow.report.figures.svg import Figure
from qatflow.report.read import Record, Run, Variant

MODEL = "model.tflite"


def layers(run: Run) -> list[Record]:
    """Return one record per variant; the focused one is shown unfolded.

    Raises:
        ConversionError: If the weights of a flatbuffer cannot be read.
    """
    focus = summary.focus(run).name
    float_model = (run.home / "transfer" / MODEL).read_bytes()
    return [_variant(variant, float_model, variant.name == focus) for variant in run.variants]


def _variant(variant: Variant, float_model: bytes, unfolded: bool) -> Record:
    evaluation = variant.evaluation
    compression = {layer.name: layer for layer in evaluation.compression.layers} if evaluation.compression else {}
    inventory = evaluation.inventory
    return {
        "name": variant.name,
        "unfolded": unfolded,
        "sha256": evaluation.sha256,
        "figures": [*_layer_figures(variant, float_model), *_exactness(evaluation)],
        "compressed": bool(compression),
        "layers": [_layer(layer) | _kept(compression.get(layer.name)) for layer in evaluation.layers],
        "operators": inventory.operators,
        "tensor_dtypes": inventory.tensor_dtypes,
        "weight_bytes": {dtype: wording.size(size) for dtype, size in inventory.weight_bytes.items()},
    }


def _layer_figures(variant: Variant, float_model: bytes) -> list[Figure]:
    """Layers kept in float have no noise to show."""
    layers = variant.evaluation.layers
    measured = [(layer.name, layer.sqnr_db) for layer in layers if layer.sqnr_db is not None]
    spread = channel_noise(float_model, (variant.converted / MODEL).read_bytes())
    held = [LayerSize(layer.name, layer.dtype, sum(layer.weights_histogram.counts)) for layer in layers]
    return [
        *([noise(measured)] if measured else []),
        *([channels(spread)] if spread else []),
        *([sizes(held)] if held else []),
        *([sensitivity(variant.sensitivity)] if variant.sensitivity else []),
    ]


def _kept(layer: LayerContents | None) -> Record:
    """How many of a layer's weights are 0, and how many values the others share."""
    if layer is None:
        return {"zeros": wording.ABSENT, "distinct": wording.ABSENT}
    return {"zeros": wording.percent(layer.zeros / layer.weights), "distinct": f"{layer.distinct:,}"}


def _exactness(evaluation: Evaluation) -> list[Figure]:
    compared = {
        "the fake-quant model": evaluation.lsb_histogram_fake_quant,
        "the reference kernels": evaluation.lsb_histogram_kernels,
    }
    return [lsb(found, other) for other, found in compared.items() if found]


def _layer(layer: Layer) -> Record:
    return {
        "name": layer.name,
        "operator": layer.operator,
        "dtype": layer.dtype,
        "sqnr": wording.ABSENT if layer.sqnr_db is None else f"{layer.sqnr_db:.1f}",
        "weights": _histogram(layer.weights_histogram, f"Weights of {layer.name}"),
        "errors": _histogram(layer.error_histogram, f"Weight errors of {layer.name}"),
    }


def _histogram(values: Histogram | None, alt: str) -> str:
    """There are no errors where the float model has no such layer."""
    return histogram(values.edges, values.counts, alt) if values else ""
