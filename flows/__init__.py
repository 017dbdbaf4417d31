"""This project's Prefect flows, one a file, named by what they do: order, retries, schedules. Yours to edit."""

from pathlib import Path

from qatflow.pipeline.environment import settle

ROOT = Path(__file__).parents[1]
settle(ROOT)  # before Prefect is imported
