"""tfmot's own collaborative chains, PQAT, CQAT and PCQAT, as its guide writes them. Benchmarks only."""

from typing import Any

from tensorflow_model_optimization.python.core.clustering.keras import cluster, cluster_config
from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster as experimental
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
    default_8bit_cluster_preserve_quantize_scheme,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    default_8bit_prune_preserve_quantize_scheme,
)
from tensorflow_model_optimization.python.core.sparsity.keras import prune, pruning_callbacks, pruning_schedule
from tensorflow_model_optimization.quantization.keras import quantize_annotate_model, quantize_apply, quantize_scope

from qatflow.backend import keras
from qatflow.data.prepared import PreparedData
from qatflow.models.flatten import flatten
from qatflow.params.compression import CompressionParams
from qatflow.params.quantize import QatParams, QuantizeParams

CHAINS = {"stock tfmot PQAT": ("prune",), "stock tfmot CQAT": ("cluster",), "stock tfmot PCQAT": ("prune", "cluster")}


def stock_chain(name: str, base: keras.Model, data: PreparedData, settings: QuantizeParams) -> keras.Model:
    """Return tfmot's fake-quant model after its chain: pruned, clustered for half as long, then trained with QAT."""
    training, asked = settings.training, settings.compression
    model, parts = flatten(base), CHAINS[name]
    if "prune" in parts:
        model = _pruned(model, data, training, asked)
    if "cluster" in parts:
        model = _clustered(model, data, training, asked, sparse="prune" in parts)
    annotated = quantize_annotate_model(model)
    scheme = (
        default_8bit_cluster_preserve_quantize_scheme.Default8BitClusterPreserveQuantizeScheme("prune" in parts)
        if "cluster" in parts
        else default_8bit_prune_preserve_quantize_scheme.Default8BitPrunePreserveQuantizeScheme()
    )
    with quantize_scope():
        network = quantize_apply(annotated, scheme)
    _fit(network, data, training, training.epochs)
    return network


def _pruned(model: Any, data: PreparedData, training: QatParams, asked: CompressionParams) -> Any:
    steps = -(-data.train.count // training.batch_size) * asked.epochs
    schedule = pruning_schedule.PolynomialDecay(0.0, asked.sparsity, 0, int(steps * asked.growth), frequency=10)
    network = prune.prune_low_magnitude(model, schedule)
    _fit(network, data, training, asked.epochs, pruning_callbacks.UpdatePruningStep())
    return prune.strip_pruning(network)


def _clustered(model: Any, data: PreparedData, training: QatParams, asked: CompressionParams, *, sparse: bool) -> Any:
    start = cluster_config.CentroidInitialization.KMEANS_PLUS_PLUS
    given = {"number_of_clusters": asked.clusters, "cluster_centroids_init": start}
    network = experimental.cluster_weights(model, preserve_sparsity=sparse, **given)
    _fit(network, data, training, max(1, asked.epochs // 2))
    return cluster.strip_clustering(network)


def _fit(network: Any, data: PreparedData, training: QatParams, epochs: int, *callbacks: Any) -> None:
    network.compile(keras.optimizers.Adam(training.learning_rate), "sparse_categorical_crossentropy", ["accuracy"])
    x, y = data.train.arrays()
    network.fit(x, y, batch_size=training.batch_size, epochs=epochs, verbose=0, callbacks=list(callbacks))
