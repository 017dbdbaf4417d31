"""FastAPI as its documentation shows it: pydantic models in and out, one async function. `BUNDLE` names the bundle."""

import os
from pathlib import Path

import numpy as np
from bundle_runtime import BundleRunner
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
runner = BundleRunner(Path(os.environ["BUNDLE"]))


class Inputs(BaseModel):
    """Samples (n, height, width, channels) in the data's own units."""

    inputs: list[list[list[list[float]]]]


class Answer(BaseModel):
    """Scores (n, classes) and the likeliest class's names (n,)."""

    scores: list[list[float]]
    labels: list[str]


@app.post("/predict")
async def predict(body: Inputs) -> Answer:
    """Run the model on the event loop: one call at a time."""
    try:
        answer = runner.predict(np.array(body.inputs, np.float32))
    except ValueError as error:
        raise HTTPException(422, str(error)) from None
    return Answer(scores=answer["scores"].tolist(), labels=answer["labels"].tolist())
