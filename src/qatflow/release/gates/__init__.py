"""The gates a model must pass. A new one: a file here, a line in `GATES`, its settings in `params.GATES`."""

from qatflow.release.base import Gate
from qatflow.release.gates.accuracy_drop import AccuracyDrop
from qatflow.release.gates.agreement import Agreement
from qatflow.release.gates.beats_champion import BeatsChampion
from qatflow.release.gates.beats_members import BeatsMembers
from qatflow.release.gates.beats_ptq import BeatsPtq
from qatflow.release.gates.class_drop import ClassDrop
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
    "class_drop": ClassDrop(),
    "explanation_drift": ExplanationDrift(),
    "golden": Golden(),
    "latency": Latency(),
    "parity": Parity(),
    "size": Size(),
}

COMPARISONS = frozenset({"beats_champion", "beats_members", "beats_ptq"})
"""Gates that hold a candidate against other models; several candidates share their level."""
LABELLED = frozenset({"accuracy_drop", "class_drop"})
"""Other gates that look at labels of the test split, which must not decide in which order candidates are offered."""
INVARIANT = "golden"
"""The gate that nobody can leave out."""
