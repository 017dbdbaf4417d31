"""The section `serving`."""

from typing import Annotated

from pydantic import Field

from qatflow.params.base import Count, Name, Section, Share


class CanaryParams(Section):
    """How a challenger is tried beside the champion, and when it has lost or may be promoted.

    Attributes:
        share: Of the requests that the challenger answers.
        min_requests: It must have answered before it is judged.
        max_error_share: Of its requests that fail.
        max_latency_ratio: Of its mean latency to the champion's.
        min_agreement: Share of samples on which both pick the same class.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    min_requests: Count = 100
    max_error_share: Share = 0.01
    max_latency_ratio: Annotated[float, Field(gt=0)] = 3.0
    min_agreement: Share = 0.5


class ServingParams(Section):
    """Limits of `qatflow serve`; no stage depends on these. See docs/serving.md.

    Attributes:
        device: Name in `tflite.devices.DEVICES`; the server does not start where there is none.
        max_requests: Requests in work at once; more are shed with 429.
        max_body_bytes: Of an inference request, after decompression.
        max_batch: Samples in one request.
        timeout_s: In which a request must have arrived whole.
        drain_s: In which what is in work must be done when the server stops.
        poll_s: How often the pointer to the deployed bundle is looked at.
    """

    host: Annotated[str, Field(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    device: Name = "cpu"
    max_requests: Count = 256
    max_connections: Count = 4096
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = 4 << 20
    max_batch: Count = 256
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    poll_s: Annotated[float, Field(ge=0.05, le=60)] = 0.25
    canary: CanaryParams = CanaryParams()
