"""The gates a model must pass. A new one: a file here, a line in `GATES`, its settings in params.yaml."""

from qatflow.release.base import Gate
from qatflow.release.gates.accuracy_drop import AccuracyDrop
from qatflow.release.gates.agreement import Agreement
from qatflow.release.gates.beats_champion import BeatsChampion
from qatflow.release.gates.beats_members import BeatsMembers
from qatflow.release.gates.beats_ptq import BeatsPtq
from qatflow.release.gates.explanation_drift import ExplanationDrift
from qatflow.release.gates.golden import Golden
from qatflow.release.gates.latency import Latency
from qatflow.release.gates.parity import Parity
from qatflow.release.gates.size import Size

GATES: dict[str, Gate] = {
    "accuracy_drop": AccuracyDrop(),
    "agreement": Agreement(),
    "beats_champion": BeatsChampion(),
    "beats_members": BeatsMembers(),
    "beats_ptq": BeatsPtq(),
    "explanation_drift": ExplanationDrift(),
    "golden": Golden(),
    "latency": Latency(),
    "parity": Parity(),
    "size": Size(),
}
