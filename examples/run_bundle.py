"""Runs a bundle without QATFlow: `python run_bundle.py BUNDLE INPUT.npy` needs only ai-edge-litert and NumPy.

INPUT.npy holds samples (n, *input shape) in the data's own units, such as pixels from 0 to 255.
"""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

bundle, samples = Path(sys.argv[1]), np.load(sys.argv[2], allow_pickle=False)
manifest = json.loads((bundle / "manifest.json").read_text())
interpreter = Interpreter(model_content=(bundle / "model.tflite").read_bytes(), num_threads=1)
interpreter.allocate_tensors()
source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

for sample in samples.astype(np.float32):
    x = sample * np.float32(manifest["preprocessing"]["scale"]) + np.float32(manifest["preprocessing"]["offset"])
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        limits = np.iinfo(source["dtype"])
        x = np.clip(np.rint(x / np.float32(scale)) + zero_point, limits.min, limits.max).astype(source["dtype"])
    interpreter.set_tensor(source["index"], x[None])
    interpreter.invoke()
    y = interpreter.get_tensor(target["index"])[0]
    if target["dtype"] != np.float32:
        scale, zero_point = target["quantization"]
        y = (y.astype(np.float32) - zero_point) * np.float32(scale)
    label = manifest["labels"][int(y.argmax())] if manifest["labels"] else "-"
    sys.stdout.write(f"{label} {y.ravel().tolist()}\n")
