"""Where a champion can be deployed. A new target is a file here and a line in `TARGETS`. Does not import MLflow.

The target `mlflow` needs it, and so joins them in `qatflow.adapters.targets`, which has all.
"""

from qatflow.deploy.archive import deploy_archive
from qatflow.deploy.base import Target
from qatflow.deploy.local import deploy_local
from qatflow.deploy.micro import deploy_micro
from qatflow.deploy.remote import deploy_http

TARGETS: dict[str, Target] = {
    "archive": deploy_archive,
    "http": deploy_http,
    "local": lambda bundle, place: deploy_local(bundle, place.path),
    "micro": deploy_micro,
}
