"""Where a champion can be deployed. A new target is a file here and a line in `TARGETS`. Does not import MLflow."""

from qatflow.deploy.base import Target
from qatflow.deploy.local import deploy_local

TARGETS: dict[str, Target] = {"local": deploy_local}
