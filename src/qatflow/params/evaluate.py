"""The section `evaluate`."""

from qatflow.params.base import Count, Section


class EvaluateParams(Section):
    """How the flatbuffer is measured."""

    threads: Count = 1
    latency_runs: Count = 300
