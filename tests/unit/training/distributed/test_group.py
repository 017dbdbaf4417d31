"""The loss of another worker is told from a fault of this one: only the first is worth a restart."""

import pytest

from qatflow.errors import LostError
from qatflow.training.distributed.group import _peers


def test_a_lost_peer_is_no_crash() -> None:
    from qatflow.backend import tf

    said = "Collective ops is aborted by: recvmsg:Connection reset by peer\nAdditional GRPC error information"
    with pytest.raises(LostError, match=r"another worker ended or cannot be reached: Collective .* peer$"), _peers():
        raise tf.errors.UnavailableError(None, None, said)


def test_a_fault_of_this_worker_stays_one() -> None:
    from qatflow.backend import tf

    with pytest.raises(tf.errors.ResourceExhaustedError), _peers():
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")
