"""A clone of the project, and ways to run it as a user would."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qatflow import artifacts, params_file
from qatflow.params.release import GATES

ROOT = Path(__file__).parents[2]
DATA = "data/mine.npz"
NO_GATES: dict[str, object] = dict.fromkeys(GATES) | {"golden": {"max_lsb": 0}}
"""Only what nobody can leave out: any new model is promoted."""
SMALL = {
    "data.source": "arrays",
    "data.path": DATA,
    "pretrain.epochs": 3,
    "quantize.training.epochs": 1,
    "quantize.variants": ["ptq_w8a8", "qat_w8a8_per_channel"],
    "evaluate.latency_runs": 20,
    "release.gates": NO_GATES | {"beats_champion": GATES["beats_champion"]},
    "flow.retry_delay_s": 0,
}


def free_port() -> int:
    """Return a port of the loopback that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Project:
    """A clone. Its commands run as a user's would, in processes of their own.

    Attributes:
        root: Its folder.
        prefect_home: Where the embedded Prefect keeps its database.
        prefect_api: Address of a server that is up already, which spares a flow the start of its own.
    """

    root: Path
    prefect_home: Path
    prefect_api: str

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a user's shell with the environment activated, and more."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.root / "src"), "PREFECT_HOME": str(self.prefect_home)}
        return {**os.environ, **own, **more}

    def command(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone to its end; output as text."""
        env = self.environment(variables)
        return subprocess.run(words, cwd=self.root, env=env, capture_output=True, text=True, check=False, timeout=280)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command in the clone, as a process group of its own."""
        env = self.environment({})
        with (self.root / "started.log").open("ab") as log:
            return subprocess.Popen(words, cwd=self.root, env=env, stdout=log, stderr=log, start_new_session=True)

    def flow(self) -> subprocess.CompletedProcess[str]:
        """Run the Prefect flow."""
        return self.command(sys.executable, "-m", "flows.retrain", PREFECT_API_URL=self.prefect_api)

    def repro(self) -> subprocess.CompletedProcess[str]:
        """Run `dvc repro`."""
        return self.command("dvc", "repro")

    def set(self, changes: Mapping[str, object]) -> None:
        """Change parameters."""
        params_file.edit(self.root / "params.yaml", changes)

    def outcomes(self) -> dict[str, str]:
        """Return each stage's outcome in the last flow run."""
        stages = artifacts.read_json(self.root / "logs" / "last_run.json")["stages"]
        return {name: stage["outcome"] for name, stage in stages.items()}

    def models(self) -> dict[str, str]:
        """Return the SHA-256 of every flatbuffer, by its path."""
        paths = sorted((self.root / "artifacts").rglob("*.tflite"))
        return {path.relative_to(self.root).as_posix(): artifacts.sha256_file(path) for path in paths}
