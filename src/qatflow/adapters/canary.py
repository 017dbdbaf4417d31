"""Tries a held winner beside the champion on the running server, then promotes or drops it. One lineage for all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from qatflow.adapters import promotions
from qatflow.adapters.targets import place_of
from qatflow.deploy.local import current
from qatflow.deploy.remote import token_of
from qatflow.deploy.rollout import end_challenge
from qatflow.errors import DeployError, MonitoringError
from qatflow.monitoring.look import Errors, errors_of
from qatflow.params.root import Params
from qatflow.release.bundle import load_bundle
from qatflow.release.log import Entry
from qatflow.release.past import pending

POLL_S, ANSWER_S, UNREACHABLE_S = 0.5, 5.0, 30.0
LEAST_LABELS = 30
WORSE = 2.33
"""Standard deviations: 1 in 100 challengers that are as good is dropped for its labels."""
Outcome = Literal["promoted", "dropped", "waiting"]


@dataclass(frozen=True)
class Tried:
    """How a canary ended.

    Attributes:
        outcome: `waiting` where a person decides, or no server could be asked.
        why: A sentence, as it stands in the promotion log.
        trial: The server's last figures.
        labels: Labelled samples and mean error of champion and challenger while both answered.
    """

    version: int
    outcome: Outcome
    why: str
    trial: Mapping[str, Any]
    labels: Mapping[str, Any]


def try_pending(params: Params, root: Path, why: str, timeout_s: float) -> Tried | None:
    """Put the winner that waits beside the champion, watch it, and promote or drop it; None if none waits.

    A challenger that crosses a bound of `serving.canary`, or whose labelled answers are surely worse than the
    champion's of the same time, is dropped. One that does not get its requests in time goes on waiting, and so does a
    good one under `release.require_approval`.

    Args:
        params: Of the project.
        root: The project.
        why: What the retraining was for; kept with the verdict.
        timeout_s: In which the server must come to a verdict.

    Raises:
        TrackingError: If the registry does not answer.
        PromotionError: If somebody else decided meanwhile.
        DeployError: If the challenger does not run here.
    """
    held = pending(promotions.open_log(params, root).read())
    if held is None:
        return None
    canary, started = params.serving.canary, time.time()
    promotions.challenge(params, root, held.version, "canary", canary.share)
    try:
        trial = _watch(params, root, held, timeout_s)
        labels = _labels(params, root, trial, started)
        return _decide(params, root, held, why, trial, labels)
    finally:
        end_challenge(root / params.deploy.path)


def judge(trial: Mapping[str, Any], champion: Errors, challenger: Errors) -> tuple[Outcome, str]:
    """Return what a trial's figures and labels call for, and why.

    Errors of both are compared by their difference over its standard deviation, as of shares or of means of values up
    to 1; below 30 labels of either nothing is said.
    """
    verdict = trial.get("verdict")
    if verdict == "retreated":
        return "dropped", f"canary retreated: {'; '.join(trial['reasons'])}"
    if verdict != "good":
        return "waiting", f"canary came to no verdict: {trial.get('requests', 0)} requests"
    said = f"canary good: {trial['requests']} requests, {trial['errors']} errors"
    if champion.error is None or challenger.error is None or min(champion.labels, challenger.labels) < LEAST_LABELS:
        return "promoted", said
    spread = math.sqrt(
        sum(max(e.error * (1 - e.error), 0.01) / e.labels for e in (champion, challenger) if e.error is not None)
    )
    told = f"error {challenger.error:.3f} of {challenger.labels} labels, the champion's {champion.error:.3f}"
    if challenger.error - champion.error > WORSE * spread:
        return "dropped", f"canary is worse: {told}"
    return "promoted", f"{said}, {told}"


def _decide(
    params: Params, root: Path, held: Entry, why: str, trial: Mapping[str, Any], labels: Mapping[str, Errors]
) -> Tried:
    outcome, said = judge(trial, labels["champion"], labels["challenger"])
    if outcome == "promoted" and params.release.require_approval:
        outcome, said = "waiting", f"{said}; a person decides (release.require_approval)"
    told = f"{why}; {said}"
    if outcome == "promoted":
        promotions.approve(params, root, held.version, told)
    elif outcome == "dropped":
        promotions.reject(params, root, held.version, told)
    return Tried(held.version, outcome, told, trial, {name: vars(found) for name, found in labels.items()})


def _watch(params: Params, root: Path, held: Entry, timeout_s: float) -> Mapping[str, Any]:
    """Ask the server how the challenger does until it has a verdict, or the time is over; return the last figures."""
    ends, heard = time.monotonic() + timeout_s, time.monotonic()
    trial: Mapping[str, Any] = {}
    ask = _asker(params, root)
    while time.monotonic() < ends and time.monotonic() - heard < UNREACHABLE_S:
        answer = ask()
        if answer is not None:
            heard = time.monotonic()
            found = answer.get("trial") or {}
            if found.get("challenger_sha256") == held.model_sha256:
                trial = found
                if trial.get("verdict") in {"good", "retreated"}:
                    return trial
        time.sleep(POLL_S)
    return trial


def _asker(params: Params, root: Path) -> Callable[[], dict[str, Any] | None]:
    """Return what asks the server for its rollout; it gives None where there is no answer."""
    token = token_of(place_of(params, root).settings)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://{params.serving.host}:{params.serving.port}/v2/rollout"

    def ask() -> dict[str, Any] | None:
        try:
            answer = httpx.get(url, headers=headers, timeout=ANSWER_S)
        except httpx.HTTPError:
            return None
        if answer.status_code in {401, 403}:
            raise DeployError(f"The server at {url} refuses this project's token: see deploy.token_file")
        found = answer.json() if answer.is_success else None
        return found if isinstance(found, dict) else None

    return ask


def _labels(params: Params, root: Path, trial: Mapping[str, Any], since: float) -> dict[str, Errors]:
    champion = load_bundle(current(root / params.deploy.path)).sha256
    digests = {"champion": champion, "challenger": str(trial.get("challenger_sha256", ""))}
    try:
        folder = root / params.monitoring.path
        return {name: errors_of(folder, sha256, since) for name, sha256 in digests.items()}
    except MonitoringError:  # a server that records nothing can be tried on too
        return {name: Errors(0, None) for name in digests}
