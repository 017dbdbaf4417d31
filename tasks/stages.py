"""The stages of this project. `qatflow graph` writes dvc.yaml from what each declares; DVC finds the order.

To add one, write tasks/NAME.py with a function NAME and list it here. Stages import what is heavy inside their
functions, so that this list is read in no time.
"""

from tasks.convert import convert
from tasks.deploy import deploy
from tasks.ensemble import ensemble
from tasks.evaluate import evaluate
from tasks.explain import explain
from tasks.prepare import prepare
from tasks.pretrain import pretrain
from tasks.quantize import quantize
from tasks.release import release
from tasks.report import report
from tasks.transfer import transfer

STAGES = (prepare, pretrain, transfer, quantize, convert, evaluate, ensemble, explain, release, deploy, report)
