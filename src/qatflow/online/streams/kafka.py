"""A stream that is one partition of a Kafka topic. Needs the extra `kafka` (confluent-kafka)."""

from __future__ import annotations

import os
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from qatflow.errors import StreamError
from qatflow.extras import named
from qatflow.online.streams.address import Address, Broker, parse_broker, read_options
from qatflow.online.streams.base import READ_BYTES, DeadLetter, Record, check_payloads, checked, gone, position
from qatflow.online.streams.dead_letters import Aside
from qatflow.online.streams.kafka_lease import kafka_lease

AT_ONCE = 500
SLICE_S = 0.02
"""The client waits so long for a group to become full."""
LOOK_BACK = (2, 16, 256, 4096)


@dataclass(frozen=True)
class KafkaOptions:
    """How a topic is used.

    Attributes:
        group: Consumer group that offsets are committed for.
        partition: The one that is read and written; each is a stream of its own.
        lease_s: After so many seconds without a sign the lease of a reader lapses; brokers allow from 6 s.
        timeout_s: Seconds for which a broker that is away is waited for.
    """

    group: str = "qatflow"
    partition: int = 0
    lease_s: float = 10.0
    timeout_s: float = 30.0


@named("A Kafka stream")
def open_kafka(address: Address) -> KafkaStream:
    """Open `kafka://HOST:PORT/TOPIC?OPTIONS`; the options are those of `KafkaOptions`.

    Raises:
        MissingExtraError: If confluent-kafka is not installed.
    """
    return KafkaStream(parse_broker(address, 9092), read_options(address, KafkaOptions))


class KafkaStream:
    """A `Stream` on a partition. Offsets are Kafka's; between them may be gaps, for transactions take some.

    An append is one transaction. The checksum travels in the header `c`; records of other programs may lack it.
    Records that cannot be used go to the topic TOPIC.dead. What is dropped when is the topic's own setting; `commit`
    only tells the group. `lag` counts offsets, so that it may be a little too large, until all is read.
    """

    def __init__(self, place: Broker, options: KafkaOptions) -> None:
        import confluent_kafka

        self._kafka: Any = confluent_kafka
        self._place, self._options = place, options
        self._where = f"kafka://{place.host}:{place.port}/{place.name}"
        self._partition = self._kafka.TopicPartition(place.name, options.partition)
        self._consumer = self._kafka.Consumer(
            _connection(place)
            | {
                "group.id": options.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": READ_BYTES,
                "queued.max.messages.kbytes": READ_BYTES >> 10,
            }
        )
        self._producer: Any = None
        self._dead: Aside | None = None
        self._next: int | None = None
        self._read_up_to: int | None = None

    def read(self, after: str | None, max_records: int, wait_s: float = 0.0) -> list[Record]:
        """See `Stream.read`."""
        begin = self._check(after)
        low, high = self._ends()
        if begin is not None and not low <= begin <= high:
            raise gone(self._where, str(after), str(low) if high > low else None)
        self._go_to(low if begin is None else begin)
        return self._consume(max_records, time.monotonic() + wait_s, high)

    def commit(self, offset: str) -> None:
        """See `Stream.commit`."""
        place = self._kafka.TopicPartition(self._place.name, self._options.partition, position(offset)[0] + 1)
        with self._explained("the offset was not committed"):
            self._consumer.commit(offsets=[place], asynchronous=False)

    def append(self, payloads: Sequence[bytes]) -> list[str]:
        """See `Stream.append`."""
        check_payloads(self._where, payloads)
        offsets: list[int] = []
        errors: list[Any] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                offsets.append(message.offset())

        with self._explained("nothing was appended"):
            producer = self._transactional()
            producer.begin_transaction()
            for payload in payloads:
                crc = str(zlib.crc32(payload)).encode()
                producer.produce(
                    self._place.name, payload, partition=self._options.partition, headers={"c": crc}, callback=delivered
                )
                producer.poll(0)
            producer.commit_transaction(self._options.timeout_s)
        if errors or len(offsets) != len(payloads):
            raise StreamError(f"{self._where}: {len(payloads)} records were not appended: {errors[:1]}")
        return [str(offset) for offset in sorted(offsets)]

    def end(self) -> str | None:
        """See `Stream.end`. Marks of transactions may be last, so it is read backwards until a record is found."""
        low, high = self._ends()
        for back in LOOK_BACK:
            begin = max(low, high - back)
            if begin == high:
                return None
            self._go_to(begin)
            records = self._consume(back, time.monotonic(), high)
            if records:
                return records[-1].offset
        return None

    def lag(self, after: str | None) -> int:
        """See `Stream.lag`."""
        low, high = self._ends()
        begin = low if after is None else position(after)[0] + 1
        return 0 if (begin, high) == (self._next, self._read_up_to) else max(0, high - max(low, begin))

    @contextmanager
    def lease(self) -> Iterator[None]:
        """See `Stream.lease`."""
        group = f"{self._options.group}.lease.{self._place.name}.{self._options.partition}"
        with (
            self._explained("the lease could not be taken"),
            kafka_lease(self._where, self._place.name, _connection(self._place), group, self._options.lease_s),
        ):
            yield

    def dead_letter(self, record: Record, reason: str) -> None:
        """See `Stream.dead_letter`."""
        self._aside().put(record, reason)

    def dead_letters(self, max_records: int) -> list[DeadLetter]:
        """See `Stream.dead_letters`."""
        return self._aside().first(max_records)

    def close(self) -> None:
        """See `Stream.close`."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
        if self._dead is not None:
            self._dead.close()
            self._dead = None

    def _check(self, after: str | None) -> int | None:
        if self._consumer is None:
            raise StreamError(f"{self._where} was closed")
        return None if after is None else position(after)[0] + 1

    def _ends(self) -> tuple[int, int]:
        """Return the offset of the oldest record, and the one after the last; equal for an empty or unknown topic."""
        with self._explained("its ends could not be asked for"):
            ends = self._ask_ends()
            if ends is None:  # the client does not know the topic, which may have been made since it asked
                self._consumer.list_topics(self._place.name, timeout=self._options.timeout_s)
                ends = self._ask_ends() or (0, 0)
        return ends

    def _ask_ends(self) -> tuple[int, int] | None:
        codes = self._kafka.KafkaError
        try:
            ends = self._consumer.get_watermark_offsets(self._partition, timeout=self._options.timeout_s)
        except self._kafka.KafkaException as error:
            if error.args[0].code() in {codes._UNKNOWN_PARTITION, codes._UNKNOWN_TOPIC, codes.UNKNOWN_TOPIC_OR_PART}:  # noqa: SLF001
                return None
            raise
        if ends is None:
            raise StreamError(f"{self._where}: no broker answered within {self._options.timeout_s:g} s")
        return int(ends[0]), int(ends[1])

    def _go_to(self, offset: int) -> None:
        if self._next != offset:
            with self._explained(f"offset {offset} could not be gone to"):
                self._consumer.assign([self._kafka.TopicPartition(self._place.name, self._options.partition, offset)])
            self._next, self._read_up_to = offset, None

    def _consume(self, max_records: int, deadline: float, high: int) -> list[Record]:
        """Return what comes until the deadline; what is there already (below `high`) only has to travel, and may take
        longer."""
        travel = time.monotonic() + self._options.timeout_s
        records: list[Record] = []
        size = 0
        while len(records) < max_records and size < READ_BYTES:
            with self._explained("it could not be read"):
                messages = self._consumer.consume(min(AT_ONCE, max_records - len(records)), SLICE_S)
            fresh = [record for message in messages if (record := self._record(message)) is not None]
            records += fresh
            size += sum(len(record.payload) for record in fresh)
            at_end = self._read_up_to == high or position(records[-1].offset if records else None)[0] + 1 >= high
            if (at_end and records) or time.monotonic() >= (deadline if at_end else max(deadline, travel)):
                break
        if records:
            self._next = position(records[-1].offset)[0] + 1
        return records

    def _record(self, message: Any) -> Record | None:
        error, codes = message.error(), self._kafka.KafkaError
        if error is None:
            payload = message.value() or b""
            given = dict(message.headers() or []).get("c", b"")
            crc = int(given) if given.isdigit() else zlib.crc32(payload)
            return checked(self._where, str(message.offset()), payload, crc)
        if error.code() == codes._PARTITION_EOF:  # noqa: SLF001 (that is its name)
            self._read_up_to = int(message.offset())
            return None
        self._next = None
        if error.code() in {codes.OFFSET_OUT_OF_RANGE, codes._AUTO_OFFSET_RESET}:  # noqa: SLF001
            raise gone(self._where, "before the one wanted", str(self._ends()[0]))
        raise StreamError(f"{self._where} could not be read: {error.str()}")

    def _transactional(self) -> Any:
        if self._producer is None:
            producer = self._kafka.Producer(
                _connection(self._place) | {"transactional.id": f"qatflow-{uuid.uuid4().hex}"}
            )
            producer.init_transactions(self._options.timeout_s)
            self._producer = producer
        return self._producer

    def _aside(self) -> Aside:
        if self._dead is None:
            dead = KafkaStream(Broker(self._place.host, self._place.port, f"{self._place.name}.dead"), self._options)
            last, number = None, dead.lag(None)
            while number and (records := dead.read(last and last.offset, AT_ONCE)):
                last, number = records[-1], dead.lag(records[-1].offset)
            self._dead = Aside(dead, last)
        return self._dead

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._kafka.KafkaException as error:
            self._next, self._producer = (
                None,
                None,
            )  # an unfinished transaction is aborted by the next producer's broker
            raise StreamError(f"{self._where}: {what}: {error.args[0].str()}") from None


def _connection(place: Broker) -> dict[str, Any]:
    """Return how to reach the broker; user and password come from the environment only."""
    settings: dict[str, Any] = {"bootstrap.servers": f"{place.host}:{place.port}", "log_level": 2}
    password = os.environ.get("KAFKA_PASSWORD")
    if password is not None:
        settings |= {
            "security.protocol": os.environ.get("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            "sasl.mechanisms": os.environ.get("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            "sasl.username": os.environ.get("KAFKA_USERNAME", ""),
            "sasl.password": password,
        }
    return settings
