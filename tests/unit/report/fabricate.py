"""Fabricates sealed artifacts of a whole run: every file the report reads, in the form the stages write."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from qatflow import artifacts
from qatflow.artifacts import Array
from qatflow.data.shards import ShardWriter
from qatflow.evaluation.result import Evaluation, Timings
from qatflow.params.root import Params
from qatflow.report.read import Variant
from qatflow.tflite.runtime import Runner

GOLDEN = Path(__file__).parents[2] / "golden"
TEST_SAMPLES = 360

FLOAT_BYTES = 78_212
VARIANTS = ("ptq_w8a8", "qat_w8a8_per_channel", "qat_w4a8")


@dataclass(frozen=True)
class FakeRun:
    """A project root with artifacts, and the parameters that made them."""

    root: Path
    params: Params


@dataclass(frozen=True)
class Plan:
    """What to fabricate. `wrong` is the number of test errors by variant; `layers` the weighted layers."""

    task: str = "classification"
    variants: tuple[str, ...] = VARIANTS
    classes: tuple[str, ...] = tuple("0123456789")
    champion: str | None = "qat_w8a8_per_channel"
    refused: tuple[str, ...] = ("qat_w4a8",)
    ensemble: bool = False
    layers: tuple[str, ...] = ("conv_1", "conv_2", "conv_3", "dense")
    wrong: dict[str, int] = field(default_factory=lambda: {"ptq_w8a8": 9, "qat_w8a8_per_channel": 8, "qat_w4a8": 17})


def fabricate(root: Path, plan: Plan) -> FakeRun:
    home = root / "artifacts"
    with artifacts.stage_output(home / "prepare", "prepare") as out:
        artifacts.write_json(out / "data_card.json", _card(plan))
        for split, count in (("train", 10), ("val", 10), ("test", TEST_SAMPLES)):
            _write_split(out / split, plan, count)
    _seal(home / "pretrain", {"history.json": _history(30, 0.2, plan)})
    _seal(
        home / "transfer", {"history.json": [], "transfer.json": {"source": "none"}, "model.tflite": _golden("float32")}
    )
    for name in plan.variants:
        history = _history(10, 0.96, plan) if name.startswith("qat") else []
        trace = {"trace.json": _trace(plan, name)} if history else {}
        model = _golden("int4" if "w4" in name else "int8")
        recipe = {"strategy": name, "trained": bool(history), "calibration": "mse", "training": {"epochs": 10}}
        _seal(home / "quantize" / name, {"history.json": history, "recipe.json": recipe, **trace})
        _seal(home / "convert" / name, {"model.tflite": model})
        _seal(home / "evaluate" / name, _measured(name, plan) | {"outputs.npy": _outputs(plan, model)})
    _seal(home / "ensemble", _ensemble(plan))
    _seal(home / "release", {"receipt.json": _receipt(plan)} | _bundle(plan))
    return FakeRun(root, Params.model_validate({"quantize": {"variants": list(plan.variants)}}))


def remeasured(variant: Variant, evaluation: Mapping[str, Any] = {}, timings: Mapping[str, Any] = {}) -> Variant:
    """Return a variant with other figures, named as in its files."""
    figures = Evaluation.model_validate(variant.evaluation.to_dict() | evaluation)
    return replace(variant, evaluation=figures, timings=Timings.model_validate(variant.timings.to_dict() | timings))


def _seal(folder: Path, files: dict[str, Any]) -> None:
    with artifacts.stage_output(folder, folder.name) as out:
        for name, content in files.items():
            (out / name).parent.mkdir(exist_ok=True)
            if isinstance(content, np.ndarray):
                np.save(out / name, content)
            elif isinstance(content, bytes):
                artifacts.write_bytes(out / name, content)
            else:
                artifacts.write_json(out / name, content)


def _golden(name: str) -> bytes:
    return (GOLDEN / f"{name}.tflite").read_bytes()


@cache
def _digits() -> tuple[Array, Array]:
    """The digits that the golden flatbuffers know, 0 to 16."""
    digits = load_digits()
    return digits.images[:TEST_SAMPLES, :, :, None].astype(np.uint8), digits.target[:TEST_SAMPLES].astype(np.int64)


def _labels(plan: Plan) -> Array:
    return _digits()[1] if plan.classes == Plan.classes else np.arange(TEST_SAMPLES) % len(plan.classes)


def _write_split(folder: Path, plan: Plan, count: int) -> None:
    x, _ = _digits()
    writer = ShardWriter(folder, np.arange(count), _labels(plan)[:count], x[0])
    writer.add(x[:count])
    writer.finish()


@cache
def _classified(model: bytes) -> Array:
    return Runner(model).predict(_digits()[0] / 16)


def _outputs(plan: Plan, model: bytes) -> Array:
    """What a real flatbuffer says of real digits; of made-up classes, the truth."""
    if plan.classes == Plan.classes:
        return _classified(model)
    return np.eye(len(plan.classes), dtype=np.float32)[_labels(plan)]


def _trace(plan: Plan, name: str) -> dict[str, Any]:
    """As quantization.trace writes it: the start and ten epochs, of which each moves less than the one before."""
    fades = [0.2 / (epoch + 1) for epoch in range(10)]
    layers = {
        layer: {
            "bits": 4 if "w4" in name else 8, "low": [0.0] * 11, "high": [6.0 + 0.1 * epoch for epoch in range(11)],
            "step": [0.01 * (1 + 0.02 * place * epoch) for epoch in range(11)],
            "moved": [share / (place + 1) for share in fades], "turned": [share / 4 for share in fades],
        }
        for place, layer in enumerate(plan.layers)
    }  # fmt: skip
    return {"layers": layers}


def _measured(name: str, plan: Plan) -> dict[str, Any]:
    return {"evaluation.json": _evaluation(name, plan), "timings.json": _timings(name)}


def _ensemble(plan: Plan) -> dict[str, Any]:
    if not plan.ensemble:
        return {"ensemble.json": {"combine": "weighted", "reason": "it is switched off", "losses": {}, "members": {}}}
    members = {name: {"weight": 1 / len(plan.variants), "sha256": artifacts.digest(name)} for name in plan.variants[:2]}
    score = _score(_metrics("ensemble", plan))
    record = {
        "combine": "weighted", "reason": "members chosen greedily", "members": members, "best": plan.variants[0],
        "losses": dict.fromkeys([*plan.variants, "ensemble"], 0.125), "score": score, "size_ratio": 1.7,
        "ece": 0.0213 if plan.task == "classification" else None, "size_bytes": _size("ensemble"),
        "against": {name: {"gain": 0.0056, "p": 0.03125} for name in plan.variants},
        "pairs": [{"members": list(members), "disagreement": 0.0278, "q_statistic": 0.9}],
        "disagreement": 0.0278, "q_statistic": 0.9,
    }  # fmt: skip
    model = _golden("int8")
    files = {"ensemble.json": record, "model.tflite": model, "outputs.npy": _outputs(plan, model)}
    return files | _measured("ensemble", plan)


def _rng(*words: object) -> np.random.Generator:
    return np.random.default_rng(int(artifacts.digest([str(word) for word in words])[:8], 16))


def _card(plan: Plan) -> dict[str, Any]:
    samples = {"train": 1150, "val": 270, "test": 360}
    is_classes = plan.task == "classification"
    counts = {split: {name: count // len(plan.classes) for name in plan.classes} for split, count in samples.items()}
    kinds = {split: {"normal": count * 4 // 5, "anomaly": count // 5} for split, count in samples.items()}
    return {
        "source": "digits", "task": plan.task, "samples": samples, "x_shape": [8, 8, 1], "x_dtype": "float32",
        "y_shape": [],
        "class_names": list(plan.classes) if is_classes else [],
        "class_counts": {"classification": counts, "anomaly": kinds}.get(plan.task, {}),
        "full_scale": 16.0, "value_range": {"min": 0.0, "max": 16.0, "mean": 4.884, "std": 6.017},
        "duplicates": {"within": 0, "across": 2, "dropped": 2, "conflicting_labels": 0}, "normalization": "auto",
        "preprocessing": {"scale": [0.0625], "offset": [0.0]}, "files": [], "sha256": artifacts.digest("data"),
    }  # fmt: skip


def _history(epochs: int, start: float, plan: Plan) -> list[dict[str, float]]:
    noise = _rng("history", epochs).normal(0, 0.004, (epochs, 4))
    rows = []
    for epoch in range(epochs):
        learned = 1 - (1 - start) * np.exp(-epoch / (epochs / 6))
        row = {
            "epoch": epoch + 1,
            "loss": 1.05 - learned + noise[epoch, 0] ** 2,
            "val_loss": 1.09 - learned + abs(noise[epoch, 1]),
        }
        if plan.task == "classification":
            row |= {"accuracy": min(1.0, learned - 0.01), "val_accuracy": float(learned - 0.02 - abs(noise[epoch, 3]))}
        rows.append({key: float(value) for key, value in row.items()})
    return rows


def _metrics(name: str, plan: Plan) -> dict[str, Any]:
    if plan.task == "regression":
        return {"r2": 0.912, "mae": 0.31, "rmse": 0.44}
    if plan.task == "anomaly":
        return {"auc": 0.871, "mean_error_normal": 0.02}
    matrix = _confusion(name, plan)
    recall = np.diag(matrix) / matrix.sum(1)
    per_class = {
        label: {"precision": 0.97, "recall": float(recall[i]), "f1": 0.97, "support": int(matrix[i].sum())}
        for i, label in enumerate(plan.classes)
    }
    score = float(np.trace(matrix) / matrix.sum())
    means = dict.fromkeys(("precision_macro", "recall_macro", "f1_macro"), score - 0.001)
    return {"accuracy": score, **means, "ece": 0.0213, "per_class": per_class, "confusion_matrix": matrix.tolist()}


def _confusion(name: str, plan: Plan) -> np.ndarray[Any, Any]:
    count = len(plan.classes)
    matrix = np.diag(np.full(count, max(20, 360 // count)))
    rng = _rng("confusion")  # the same errors in all models, more of them in worse ones
    for _ in range(plan.wrong.get(name, 7)):
        true, taken = rng.choice(count, 2, replace=False)
        matrix[true, true] -= 1
        matrix[true, taken] += 1
    return matrix


def _score(metrics: dict[str, Any]) -> float:
    return float(next(metrics[key] for key in ("accuracy", "r2", "auc") if key in metrics))


def _size(name: str) -> int:
    return {"ptq_w8a8": 24_936, "qat_w8a8_per_channel": 25_112, "qat_w4a8": 15_320}.get(name, 20_000 + 977 * len(name))


def _evaluation(name: str, plan: Plan) -> dict[str, Any]:
    metrics, reference = _metrics(name, plan), _metrics("float", plan)
    score, trained = _score(metrics), name.startswith("qat")
    kind = "INT4" if "w4" in name else "INT8"
    return {
        "task": plan.task, "samples": 360, "score": score, "metrics": metrics,
        "float": {
            "score": _score(reference), "metrics": reference,
            "size_bytes": FLOAT_BYTES, "size_deflate_bytes": FLOAT_BYTES - 5000, "size_zstd_bytes": FLOAT_BYTES - 5200,
            "sha256": artifacts.digest("float"),
        },
        "score_interval": [score - 0.015, score + 0.011] if plan.task == "classification" else None,
        "agreement_float": 0.9917, "agreement_fake_quant": 1.0 if trained else None,
        "agreement_kernels": None if kind == "INT4" else 1.0,
        "lsb_histogram_fake_quant": {"-1": 14, "0": 3570, "1": 16} if trained else None,
        "lsb_histogram_kernels": None if kind == "INT4" else {"0": 3600}, "mcnemar_float_p": 0.625,
        "size_bytes": _size(name), "size_deflate_bytes": _size(name) - 5000, "size_zstd_bytes": _size(name) - 5200,
        "sha256": artifacts.digest(name), "layers": [_layer(layer, kind) for layer in plan.layers],
        "inventory": {
            "operators": {"CONV_2D": 3, "FULLY_CONNECTED": 1, "MEAN": 1, "SOFTMAX": 1},
            "tensor_dtypes": {kind: 9, "INT32": 5}, "weight_bytes": {kind: 17_344, "INT32": 424},
        },
    }  # fmt: skip


def _layer(name: str, kind: str) -> dict[str, Any]:
    bits = 4 if kind == "INT4" else 8
    weights = _rng(name).normal(0, 0.12, 2000)
    errors = _rng(name, bits).uniform(-1, 1, 2000) * 0.4 / 2**bits
    histograms = {}
    for key, values in (("weights_histogram", weights), ("error_histogram", errors)):
        counts, edges = np.histogram(values, bins=40)
        histograms[key] = {"edges": edges.tolist(), "counts": counts.tolist()}
    operator = "FULLY_CONNECTED" if name.startswith("dense") else "CONV_2D"
    sqnr = float(10 * np.log10((weights**2).mean() / (errors**2).mean()))
    return {"name": name, "operator": operator, "dtype": kind, "sqnr_db": sqnr, **histograms}


def _timings(name: str) -> dict[str, Any]:
    p50 = 11.4 + len(name) * 0.37
    return {
        "threads": 1, "latency_us": {"p50": p50, "p95": p50 * 1.35, "p99": p50 * 2.1},
        "float_latency_us": {"p50": 19.6, "p95": 27.3, "p99": 41.0}, "latency_ratio": p50 / 19.6,
        "throughput_per_s": 161_020.4, "best_batch": 32,
        "peak_memory_bytes": 61_440, "float_peak_memory_bytes": 139_264,
    }  # fmt: skip


def _receipt(plan: Plan) -> dict[str, Any]:
    champion = plan.champion and {
        "version": 3, "variant": plan.champion, "sha256": artifacts.digest(plan.champion),
        "score": _score(_metrics(plan.champion, plan)), "size_bytes": _size(plan.champion), "latency_us": 18.8,
    }  # fmt: skip
    return {
        "decision": "promoted" if plan.champion in plan.variants else "kept",
        "variant": plan.champion, "version": 3 if plan.champion else None,
        "model_sha256": champion and champion["sha256"], "champion": champion,
        "reasons": [*_reasons(plan), *(f"{name}: refused" for name in plan.refused)],
        "gates": {name: _gates(name in plan.refused) for name in [*plan.variants, *["ensemble"] * plan.ensemble]},
    }  # fmt: skip


def _reasons(plan: Plan) -> list[str]:
    if plan.champion in plan.variants:
        return [f"promoted {plan.champion} as version 3", f"{plan.champion}: wins"]
    return ["kept version 3: no candidate passed its gates" if plan.champion else "nothing ships"]


def _gates(refused: bool) -> list[dict[str, Any]]:
    drop = {
        "gate": "accuracy_drop",
        "passed": not refused,
        "measured": 0.0278 if refused else 0.0028,
        "threshold": 0.02,
    }
    return [
        drop | {"reason": f"loses {drop['measured']:.4f} against float, at most 0.02 is allowed"},
        {"gate": "agreement", "passed": True, "measured": 0.9917, "threshold": 0.95, "reason": "agrees with float"},
        {"gate": "golden", "passed": True, "measured": 0, "threshold": 0, "reason": "repeats its golden outputs"},
        {
            "gate": "beats_champion",
            "passed": True,
            "measured": None,
            "threshold": 0.05,
            "reason": "there is no champion",
        },
    ]


def _bundle(plan: Plan) -> dict[str, Any]:
    if not plan.champion:
        return {}
    lineage = {
        "git_commit": "9f1c2e7",
        "data_md5": None,
        "params_sha256": artifacts.digest("params"),
        "data": {"sha256": artifacts.digest("data")},
    }
    files = {"model.tflite": {"size_bytes": _size(plan.champion)}, "golden.npz": {"size_bytes": 3000}}
    return {"bundle/manifest.json": {"lineage": lineage, "files": files}}
