"""Keeps a quantized model between stages, exactly: weights, plan and grids, as arrays and JSON that hold no code."""

from pathlib import Path
from typing import Any

from qatflow.artifacts import load_arrays, read_json, save_arrays, write_json
from qatflow.compression.promise import Promise
from qatflow.errors import ArtifactError
from qatflow.models.store import load_model, save_model
from qatflow.quantization.deployed import Deployable
from qatflow.quantization.fake_quant import Grids
from qatflow.quantization.plan import Fixed, Output, Own, Plan, Tied
from qatflow.quantization.reach import WHOLE, Reach

KINDS: dict[str, type[Own | Fixed | Tied]] = {kind.__name__.lower(): kind for kind in (Own, Fixed, Tied)}


def save_quantized(quantized: Deployable, directory: Path) -> None:
    """Write plan.json, steps.npz, the model's architecture.json and weights.npz, and reference/ if it has one."""
    plan, grids = quantized.plan, quantized.grids
    outputs = {name: {"kind": type(kind).__name__.lower(), **vars(kind)} for name, kind in plan.outputs.items()}
    save_model(quantized.model, directory)
    ranges = {name: list(found) for name, found in grids.ranges.items()}
    promises = {name: vars(promise) for name, promise in quantized.promises.items()}
    kept = {
        "weights": dict(plan.weights),
        "outputs": outputs,
        "ranges": ranges,
        "promises": promises,
        "reach": vars(quantized.reach),
        "floats": sorted(quantized.floats),
    }
    write_json(directory / "plan.json", kept)
    save_arrays(directory / "steps.npz", grids.steps)
    if quantized.reference is not None:
        (directory / "reference").mkdir()
        save_model(quantized.reference, directory / "reference")


def load_quantized(directory: Path) -> Deployable:
    """Read what `save_quantized` wrote; every form of the model computes the same, bit for bit.

    Raises:
        ArtifactError: If a file is missing or does not hold what it should.
    """
    kept = read_json(directory / "plan.json")
    reference = directory / "reference"
    try:
        plan = Plan(
            weights={str(name): int(bits) for name, bits in kept["weights"].items()},
            outputs={str(name): _output(dict(kind)) for name, kind in kept["outputs"].items()},
        )
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in kept["ranges"].items()}
        promises = {str(name): Promise(**promise) for name, promise in kept["promises"].items()}
        floats = frozenset(map(str, kept.get("floats", ())))
        reach = _reach(**kept["reach"]) if "reach" in kept else WHOLE  # those of earlier versions were never cut
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{directory / 'plan.json'} holds no plan: {error!r:.200}") from None
    return Deployable(
        model=load_model(directory),
        plan=plan,
        grids=Grids(load_arrays(directory / "steps.npz"), ranges),
        reference=load_model(reference) if reference.is_dir() else None,
        promises=promises,
        reach=reach,
        floats=floats,
    )


def _reach(limits: list[float] | None, inner: dict[str, list[float]], notes: list[str]) -> Reach:
    spans = {str(name): (float(low), float(high)) for name, (low, high) in inner.items()}
    return Reach((float(limits[0]), float(limits[1])) if limits else None, spans, tuple(map(str, notes)))


def _output(kept: dict[str, Any]) -> Output:
    return KINDS[kept.pop("kind")](**kept)
