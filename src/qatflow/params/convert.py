"""The section `convert`."""

from qatflow.params.base import Count, Section


class ConvertParams(Section):
    """How the flatbuffer is compared with the model it came from."""

    parity_samples: Count = 10_000
