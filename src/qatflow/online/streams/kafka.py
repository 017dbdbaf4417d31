"""placeholder"""


def open_kafka(address):
    raise NotImplementedError
