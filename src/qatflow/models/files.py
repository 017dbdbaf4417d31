"""Loads a user's Keras model file so that no code in it can run."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.models.hdf5 import MAX_BYTES, load_hdf5
from qatflow.models.keras_zip import load_keras_zip
from qatflow.models.pictures import REWRITTEN, with_fixed_pictures
from qatflow.models.weights import settle

LOADERS = {b"\x89HDF": load_hdf5, b"PK\x03\x04": load_keras_zip}
"""By the first four bytes of the file; names of files say little."""
_REBUILD = "; build the network in Keras, set its weights, and save it with model.save('model.keras')"
FOREIGN = {
    **dict.fromkeys((".onnx", ".pb", ".pt", ".pth", ".safetensors"), _REBUILD),
    ".json": " but an architecture without weights; save the whole model with model.save('model.keras')",
    ".npz": " but arrays; save the whole model with model.save('model.keras')",
}
"""What to do with files of others, by the end of their names."""


def load_model_file(path: Path, notes: list[str] | None = None) -> keras.Model:
    """Load a `.keras` (Keras 3 or tf_keras) or `.h5` model as a tf_keras model, without its optimizer, as it serves.

    Keras' own loader runs the code of Lambda layers in `.h5` files even in safe mode. Here the config is read first,
    must name built-in layers only, and the model is rebuilt from it; weights are read as plain arrays.

    Args:
        path: The file.
        notes: Gets a sentence for each thing that is otherwise than in the file, see `serving_form`.

    Raises:
        ModelError: If the file is missing, broken, no Keras model, or holds anything but built-in layers.
    """
    said: list[str] = [] if notes is None else notes
    try:
        model = _loader(path)(path, said)
        settle(model)
        if said or any(isinstance(layer, REWRITTEN) for layer in model.submodules):
            model = with_fixed_pictures(model)
    except ModelError as error:
        raise ModelError(f"Cannot load {path}: {error}") from None
    except MemoryError:
        raise ModelError(f"Cannot load {path}: it needs more memory than there is") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"Cannot load {path}: it is missing, truncated or damaged ({error!r:.200})") from None
    except Exception as error:  # noqa: BLE001 (what h5py and Keras raise on such files has no end)
        raise ModelError(f"Cannot load {path}: it is damaged or malformed ({error!r:.200})") from None
    return model


def _loader(path: Path) -> Callable[[Path, list[str]], keras.Model]:
    with path.open("rb") as file:
        magic, kind = file.read(4), file.read(4)
    if kind == b"TFL3":
        raise ModelError(
            "it is a TFLite flatbuffer, whose layers are fused and may be quantized already; give the Keras model that "
            "it was converted from, as .keras or .h5"
        )
    if magic not in LOADERS:
        raise ModelError(f"it is neither a .keras nor a .h5 file{FOREIGN.get(path.suffix.lower(), '')}")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ModelError(f"it has {size} bytes; at most {MAX_BYTES} are read")
    return LOADERS[magic]
