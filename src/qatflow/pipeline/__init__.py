"""Runs a project: its stages, its graph, its flows. Everything takes the project's folder, `root`.

A project is a folder with params.yaml, dvc.yaml, `tasks/` (a file a stage) and `flows/` (a file a flow), all of them
its owner's to edit; `qatflow init` writes them.
"""
