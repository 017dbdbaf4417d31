"""The process in which the flow's stages run one after the other: TensorFlow is imported once, and can be killed.

Reads requests from standard input, a JSON line each: {"stage": "convert", "variant": "ptq_w8a8", "env": {…}}.
Answers on stdout: {"progress": [label, done, total]}…, then {"seconds": 1.5} or {"error": class, "message": …}
What libraries print goes to the log file that stderr was opened on.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from qatflow import errors
from qatflow.pipeline.project import declared_stages
from qatflow.pipeline.stage import execute


def main() -> None:
    """Serve requests until standard input closes, which also ends work under way: the parent is gone then."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    requests: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    if "--preload" in sys.argv:
        from qatflow import backend  # noqa: F401 (its import is what takes long)
    while True:
        _send(answers, _serve(requests.get(), answers))


def _read(requests: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(1)


def _serve(request: dict[str, Any], answers: IO[str]) -> dict[str, Any]:
    """Run one stage and say how it ended."""
    os.environ.update(request.get("env", {}))
    try:
        root = Path.cwd()
        stage = declared_stages(root)[request["stage"]]
        started = time.monotonic()
        execute(stage, root, request["variant"], lambda *state: _send(answers, {"progress": state}))
    except errors.QATFlowError as error:
        return {"error": type(error).__name__, "message": str(error)}
    except Exception as error:  # noqa: BLE001 (a crash of any kind must reach the parent as an answer)
        traceback.print_exc()
        return {"error": "StageError", "message": f"{type(error).__name__}: {error}"}
    return {"seconds": time.monotonic() - started}


def _send(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
