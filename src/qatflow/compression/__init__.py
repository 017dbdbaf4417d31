"""Makes models smaller by other means than narrow numbers: zeros, few values, fewer channels, low rank."""

from collections.abc import Mapping

from qatflow.compression.base import Compression
from qatflow.compression.clustering import Cluster
from qatflow.compression.low_rank import LowRank
from qatflow.compression.pruning import Prune
from qatflow.compression.structured import Structured

COMPRESSIONS: Mapping[str, type[Compression]] = {
    "cluster": Cluster,
    "low_rank": LowRank,
    "prune": Prune,
    "structured": Structured,
}
