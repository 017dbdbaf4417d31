"""Runs a bundle with only ai-edge-litert and NumPy. Imports nothing of QATFlow, to prove that a bundle needs no more.

As a program, `python -I bundle_runtime.py BUNDLE`, it repeats the golden outputs and prints the largest difference.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

Array = npt.NDArray[Any]


class BundleRunner:
    """A loaded bundle. Safe to call from several threads, one sample at a time.

    Raises:
        ValueError: If model.tflite is not the one that the manifest names, or its tensors are not as it describes them.
    """

    def __init__(self, bundle: Path) -> None:
        self.manifest = json.loads((bundle / "manifest.json").read_text())
        model = (bundle / "model.tflite").read_bytes()
        if hashlib.sha256(model).hexdigest() != self.manifest["files"]["model.tflite"]["sha256"]:
            raise ValueError(f"{bundle}/model.tflite is not the file that its manifest names")
        self._lock = threading.Lock()  # a LiteRT interpreter serves one thread at a time
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._index("input", self._interpreter.get_input_details())
        self._output = self._index("output", self._interpreter.get_output_details())

    def predict(self, x: Any) -> dict[str, Array]:
        """Return `decode`'s answer for samples as `preprocess` takes them.

        Raises:
            ValueError: If `x` has other columns, another shape, no sample, or holds NaN or infinity.
        """
        inputs = preprocess(self.manifest, x)
        return decode(self.manifest, inputs, dequantize(self.manifest["output"], self.raw(inputs)))

    def raw(self, inputs: Array) -> Array:
        """Return the output tensor (n, *output shape) in its own dtype for preprocessed inputs, float32."""
        q = quantize(self.manifest["input"], inputs)
        with self._lock:
            return np.stack([self._invoke(sample) for sample in q])

    def _index(self, role: str, tensors: Any) -> int:
        """Return the index of the only input or output, after comparing it with the manifest."""
        told = self.manifest[role]
        expected = (told["dtype"], tuple(told["shape"]), told["scale"], told["zero_point"])
        found = [(np.dtype(t["dtype"]).name, tuple(t["shape"][1:].tolist()), *t["quantization"]) for t in tensors]
        if found != [expected]:
            raise ValueError(f"the flatbuffer's {role} is {found}, and not {[expected]} as its manifest says")
        return int(tensors[0]["index"])

    def _invoke(self, sample: Array) -> Array:
        self._interpreter.reset_all_variables()  # a recurrent model's: each sample is answered by itself
        self._interpreter.set_tensor(self._input, sample[None])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)[0])


def preprocess(manifest: Mapping[str, Any], x: Any) -> Array:
    """Return model inputs, float32, of samples in the data's own units.

    Args:
        manifest: The bundle's.
        x: (n, *input shape). The columns of a data frame go into the model's order by their names, if it knows them.

    Raises:
        ValueError: If `x` has other columns, another shape, no sample, or holds NaN or infinity.
    """
    columns, names = getattr(x, "columns", None), manifest.get("features", ())
    x = np.asarray(x, np.float32)
    if names and columns is not None:
        x = x[:, column_order(names, list(columns))]
    shape = tuple(manifest["input"]["shape"])
    if x.shape[1:] != shape or not len(x):
        raise ValueError(f"inputs have shape {x.shape}; expected one or more samples of {shape}")
    if not np.isfinite(x).all():
        raise ValueError("inputs hold NaN or infinity")
    scale, offset = (np.asarray(manifest["preprocessing"][key], np.float32) for key in ("scale", "offset"))
    return np.asarray(x * scale + offset, np.float32)


def column_order(names: Sequence[str], columns: Sequence[Any]) -> list[int]:
    """Return where each of the model's columns stands among those that are given; spaces around names do not count.

    Raises:
        ValueError: If one is missing, unknown or there twice; the message says which.
    """
    given = [str(column) for column in columns]
    if set(given) != set(names):
        given = [name.strip() for name in given]
    missing, known = [name for name in names if name not in set(given)], set(names)
    unknown = [name for name in given if name not in known]
    twice = sorted({name for name in given if given.count(name) > 1}) if len(set(given)) < len(given) else []
    faults = (("missing", missing), ("unknown", unknown), ("there twice", twice))
    if told := "; ".join(f"{what}: {_short(which)}" for what, which in faults if which):
        raise ValueError(f"columns {told}. The model takes {_short(names)}, in any order")
    place = {name: index for index, name in enumerate(given)}
    return [place[name] for name in names]


def _short(names: Sequence[str]) -> str:
    listed = [name if len(name) <= 60 else f"{name[:60]}…" for name in names]
    return ", ".join(listed if len(listed) <= 12 else [*listed[:8], f"… {len(listed) - 10} more …", *listed[-2:]])


def quantize(tensor: Mapping[str, Any], x: Array) -> Array:
    """Return float32 values as the tensor stores them: `x / scale + zero_point`, rounded half to even, clipped."""
    if tensor["dtype"] == "float32":
        return x
    limits = np.iinfo(tensor["dtype"])
    q = np.rint(x / np.float32(tensor["scale"])) + np.float32(tensor["zero_point"])
    return np.clip(q, limits.min, limits.max).astype(tensor["dtype"])


def dequantize(tensor: Mapping[str, Any], q: Array) -> Array:
    """Return real values, float32: `scale * (q - zero_point)`."""
    if tensor["dtype"] == "float32":
        return q
    return (q.astype(np.float32) - np.float32(tensor["zero_point"])) * np.float32(tensor["scale"])


def decode(manifest: Mapping[str, Any], inputs: Array, outputs: Array) -> dict[str, Array]:
    """Return what the outputs mean.

    Returns:
        `scores`: (n, classes) for classification, (n, labels) for multi-label classification, (n, targets) for
        regression, (n,) mean squared reconstruction error for anomaly detection; float32. `labels`: (n,) names of the
        likeliest class, for classification only. A single output of a classifier is the probability of the second one.
    """
    if manifest["task"] == "anomaly":
        axes = tuple(range(1, inputs.ndim))
        return {"scores": np.asarray(np.mean((outputs - inputs) ** 2, axis=axes, dtype=np.float32))}
    if manifest["task"] != "classification":
        return {"scores": outputs}
    labels = np.array(manifest["labels"])
    scores = outputs if outputs.shape[1] == len(labels) else np.concatenate([1 - outputs, outputs], axis=1)
    return {"scores": scores, "labels": labels[scores.argmax(axis=1)]}


def golden_difference(bundle: Path) -> float:
    """Return the largest difference from the golden outputs, in steps of the output tensor.

    For float tensors in units of the last place of the expected value.
    """
    with np.load(bundle / "golden.npz", allow_pickle=False) as golden:
        inputs, expected = golden["inputs"], golden["outputs"]
    found = BundleRunner(bundle).raw(inputs)
    if expected.dtype == np.float32:
        return float(np.max(np.abs(found - expected) / np.spacing(np.abs(expected))))
    return float(np.max(np.abs(found.astype(np.int64) - expected.astype(np.int64))))


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"max_lsb": golden_difference(Path(sys.argv[1]))}) + "\n")
