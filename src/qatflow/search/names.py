"""Names of strategies: which exist, what bit widths they promise, which train."""

import re

from qatflow.errors import lookup
from qatflow.quantization import STRATEGIES
from qatflow.quantization.grid import WIDTHS
from qatflow.quantization.run import check_width

AUTO = "auto"
STORED_BITS = {"float32": 32, "float16": 16, "dynamic_range": 8}
LEAST_BITS = min(WIDTHS)
"""Of strategies that give each layer its own width."""
FIRST = ("ptq_w8a8", "ptq_w4a8")
"""Tried before all others: what they weigh and how they score decides what else could win."""


def check_strategy(name: str) -> None:
    """Check the name of a strategy.

    Raises:
        ParamsError: If there is no such strategy; the message lists the known ones and the nearest match.
    """
    check_width(name)
    lookup("quantization strategy", name, dict.fromkeys([*STRATEGIES, AUTO]))


def weight_bits(name: str) -> int:
    """Return the fewest bits that a strategy stores weights in."""
    found = re.search(r"_w(\d+)a\d+", name)
    return int(found[1]) if found else STORED_BITS.get(name, LEAST_BITS)


def compressions_of(name: str) -> tuple[str, ...]:
    """Return the compressions of a strategy, see `compression.COMPRESSIONS`."""
    return STRATEGIES[name].compressions


def activation_bits(name: str) -> int:
    """Return the bits of activations between layers."""
    found = re.search(r"_w\d+a(\d+)", name)
    if found:
        return int(found[1])
    return 32 if name in STORED_BITS else 8


def ordered(names: list[str]) -> tuple[list[str], list[str]]:
    """Return the untrained and the trained ones, each in the order in which to try them.

    Untrained: `FIRST`, then by width. Trained: the narrowest first, and finer granularity before coarser.
    """
    cheap = [name for name in names if not STRATEGIES[name].trained]
    trained = [name for name in names if STRATEGIES[name].trained]
    cheap.sort(key=lambda name: (name not in FIRST, name != FIRST[0], weight_bits(name)))
    trained.sort(key=lambda name: (weight_bits(name), _grain(name), activation_bits(name), "per_tensor" in name))
    return cheap, trained


def _grain(name: str) -> bool:
    """One width for all layers trains in one go; per-layer widths need more."""
    return re.search(r"_w\d+a", name) is None
