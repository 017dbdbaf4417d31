"""Learns a snapshot of online learning again: `python -m tasks.rebuild FOLDER`, the stage of its own dvc.yaml."""

import sys

from qatflow.pipeline.rebuild import main

if __name__ == "__main__":
    main(sys.argv[1])
