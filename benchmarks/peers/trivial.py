"""Servers that answer anything with one constant: what the load generator, and uvicorn without a model, can do.

`python trivial.py protocol|asgi PORT`
"""

import asyncio
import sys
from typing import Any

import uvicorn
import uvloop

BODY = b'{"scores":[[0.0,0.0,0.99609375,0.00390625,0.0,0.0,0.0,0.0,0.0,0.0]],"labels":["2"]}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


class Constant(asyncio.Protocol):
    """Takes whatever comes for one request."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:  # noqa: ARG002
        """Answer."""
        self._transport.write(REPLY)


async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Answer with the constant, as the shortest ASGI application does."""
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})


async def constant(port: int) -> None:
    """Serve without an HTTP parser."""
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "protocol":
        uvloop.run(constant(int(sys.argv[2])))
    else:
        uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False, lifespan="off")
