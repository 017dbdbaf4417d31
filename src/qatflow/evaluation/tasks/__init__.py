"""Tasks by name: what the outputs of their models mean."""

from qatflow.evaluation.tasks.anomaly import Anomaly
from qatflow.evaluation.tasks.base import Task
from qatflow.evaluation.tasks.classification import Classification
from qatflow.evaluation.tasks.multi_label import MultiLabel
from qatflow.evaluation.tasks.regression import Regression

TASKS: dict[str, Task] = {
    "anomaly": Anomaly(),
    "classification": Classification(),
    "multi_label": MultiLabel(),
    "regression": Regression(),
}
