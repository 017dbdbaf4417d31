import zlib

import numpy as np
import zstandard

from qatflow.evaluation.sizes import sizes, sparsity
from qatflow.tflite.inspect import layer_weights


def test_sizes_are_those_of_what_decompresses_to_the_model(golden):
    found = sizes(golden["int8"])

    assert found["size_bytes"] == len(golden["int8"])
    deflated = zlib.compress(golden["int8"], 9)
    frames = [zstandard.compress(golden["int8"], level) for level in (15, 19)]
    assert {zlib.decompress(deflated), *map(zstandard.decompress, frames)} == {golden["int8"]}
    assert found["size_deflate_bytes"] == len(deflated)
    assert found["size_zstd_bytes"] == min(map(len, frames))


def test_zeros_and_values_are_those_of_the_stored_integers(golden):
    found, layers = sparsity(golden["int4"]), layer_weights(golden["int4"])

    assert [layer["weights"] for layer in found["layers"]] == [layer.values.size for layer in layers]
    assert [layer["zeros"] for layer in found["layers"]] == [int(np.sum(layer.values == 0)) for layer in layers]
    assert all(2 <= layer["distinct"] <= 15 for layer in found["layers"])
    zeros, weights = (sum(layer[key] for layer in found["layers"]) for key in ("zeros", "weights"))
    assert found["sparsity"] == zeros / weights
