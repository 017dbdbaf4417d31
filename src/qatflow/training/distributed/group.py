"""The devices or machines that this process trains with: none others, all GPUs of this machine, or many workers."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from qatflow.errors import LostError, ParamsError
from qatflow.params.distribution import DistributionParams
from qatflow.training.distributed.cluster import read_cluster
from qatflow.training.distributed.rendezvous import meet


@dataclass(frozen=True)
class Group:
    """Who trains together.

    Attributes:
        strategy: A tf.distribute strategy; None for one device.
        is_chief: Whether this process writes what comes out.
    """

    strategy: Any = None
    is_chief: bool = True

    def scope(self) -> AbstractContextManager[Any]:
        """Give the context in which models that are to train here are made and compiled."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def synchronize(self, model: Any) -> Any:
        """Let batch normalization of a new model use statistics of whole batches, not of one replica's share."""
        from qatflow.backend import keras

        for layer in model.layers if self.strategy else ():
            inner = getattr(layer, "layer", layer)
            if isinstance(inner, keras.layers.BatchNormalization):
                inner.synchronized, inner.fused = True, False  # its config, which copies are made from, forgets this
        return model

    @contextmanager
    def copied(self, model: Any) -> Iterator[Any]:
        """Give a copy of a Functional model that trains here, whose weights go back to the model; alone, the model."""
        if self.strategy is None:
            yield model
            return
        from qatflow.backend import keras

        with self.scope():
            copy = self.synchronize(keras.models.clone_model(model))
        copy.set_weights(model.get_weights())
        yield copy
        model.set_weights(copy.get_weights())

    @property
    def replicas(self) -> int:
        """Copies of the model that each batch is divided among."""
        return int(self.strategy.num_replicas_in_sync) if self.strategy else 1


ALONE = Group()
_present = [ALONE]


def group() -> Group:
    """Return the group that this process is in."""
    return _present[-1]


@contextmanager
def joined(params: DistributionParams, identity: Mapping[str, str]) -> Iterator[Group]:
    """Train with others inside the block.

    Of several workers this must be the first that a process does with TensorFlow: it then listens on its address.

    Args:
        params: Section `training` of params.yaml.
        identity: What must be equal on all workers, see `rendezvous.meet`.

    Raises:
        ParamsError: If `TF_CONFIG` is malformed, or missing where it is needed.
        StageError: If the workers do not come together.
        LostError: If another worker is lost while the block runs.
    """
    _present.append(_connect(params, identity))
    try:
        with _peers() if params.distribution == "multi_worker" else nullcontext():
            yield group()
    finally:
        _present.pop()


@contextmanager
def _peers() -> Iterator[None]:
    """Tell the loss of another worker, which every collective operation fails with, from a fault of this one."""
    from qatflow.backend import tf

    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise LostError(f"another worker ended or cannot be reached: {error.message.splitlines()[0]}") from error


def _connect(params: DistributionParams, identity: Mapping[str, str]) -> Group:
    if params.distribution == "none":
        return ALONE
    if params.distribution == "mirrored":
        from qatflow.backend import tf

        return Group(tf.distribute.MirroredStrategy())
    cluster = read_cluster(os.environ)
    if cluster is None:
        raise ParamsError("training.distribution multi_worker needs TF_CONFIG on each machine; see docs/distributed.md")
    meet(cluster, identity, params.join_timeout_s)
    from qatflow.backend import tf

    return Group(tf.distribute.MultiWorkerMirroredStrategy(), cluster.is_chief)
