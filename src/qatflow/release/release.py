"""The release: gates over all candidates, the winner registered and promoted, a receipt that says why."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qatflow import artifacts
from qatflow.errors import ArtifactError
from qatflow.params.release import GATES, ReleaseParams
from qatflow.release.approval import APPROVED, hold
from qatflow.release.base import Champion, Context
from qatflow.release.bundle import build_bundle
from qatflow.release.candidates import Inputs, log_candidate
from qatflow.release.golden import check_golden
from qatflow.release.lineage import best_after, best_of
from qatflow.release.log import Entry, PromotionLog, whoami
from qatflow.release.past import changes, pending, withdrawn
from qatflow.release.ports import Registry
from qatflow.release.promote import champion, promote
from qatflow.release.receipt import Receipt, Shipped
from qatflow.release.select import Verdict, select
from qatflow.release.settings import check_settings
from qatflow.release.standing import Standing, measure_standing


@dataclass(frozen=True)
class Desk:
    """Where releases are decided and kept.

    Attributes:
        why: Reason for this release; kept in the promotion log.
    """

    params: ReleaseParams
    registry: Registry
    log: PromotionLog
    why: str


def release_candidates(desk: Desk, inputs: Inputs, out: Path) -> Receipt:
    """Judge the candidates, promote the winner if it is not the champion, and write receipt.json and bundle/ to `out`.

    A repeat over the same inputs changes nothing and gives the same receipt. While nothing was ever promoted there is
    no bundle.

    Returns:
        The receipt. It describes the champion after the release, and equals itself for equal inputs and an equal
        registry. Where `require_approval` or `canary` holds the winner, `pending` describes that one.

    Raises:
        ParamsError: If a gate or its settings are not right.
        PromotionError: If another promotion came in between.
        TrackingError: If the registry does not answer.
    """
    check_settings(desk.params.gates)
    present = champion(desk.registry, desk.log)
    gates = {name: gate and dict(gate) for name, gate in desk.params.gates.items()}
    settings = {"approval": desk.params.require_approval, "canary": desk.params.canary}
    asked = [name for name, wanted in settings.items() if wanted]
    key = artifacts.digest([inputs.digest(), desk.params.objective, gates, *asked])
    receipt = _made_before(desk.log.read(), present, key)
    if receipt is None:
        with tempfile.TemporaryDirectory(prefix="qatflow-release-") as folder:
            receipt = _decide(desk, inputs, present, key, Path(folder))
    receipt.write(out)
    if receipt.champion is not None:
        desk.registry.download(receipt.champion.version, out / "bundle")
    return receipt


def _made_before(entries: Sequence[Entry], present: int | None, key: str) -> Receipt | None:
    """Return the receipt that the same inputs and settings gave, if it still holds.

    It does if they made the present champion, or what waits for approval was judged against it.
    """
    held = pending(entries)
    if held is not None and held.from_version == present and held.gates.get("inputs") == key:
        return _logged(held)
    tail = next(reversed(changes(entries)), None)
    if tail is None or tail.version != present or tail.gates.get("inputs") != key:
        return None
    return _logged(tail)


def _logged(entry: Entry) -> Receipt | None:
    """Return an entry's receipt; None where another version of QATFlow worded it otherwise: then all is judged anew."""
    try:
        return Receipt.parse(entry.gates["receipt"], f"entry {entry.seq} of the promotion log")
    except ArtifactError:
        return None


def _decide(desk: Desk, inputs: Inputs, present: int | None, key: str, folder: Path) -> Receipt:
    entries = desk.log.read()
    standing = Standing()
    if present is not None:
        best = best_of(entries, desk.registry.version(present))
        standing = measure_standing(desk.registry, present, best, inputs, folder)
    bundles = {
        variant: build_bundle(
            folder / variant / "bundle", candidate, inputs.data, inputs.lineage[variant], said=desk.params.card
        )
        for variant, candidate in inputs.candidates.items()
    }
    golden = {variant: check_golden(bundle) for variant, bundle in bundles.items()}
    context = Context(
        candidates=inputs.candidates,
        champion=standing.champion,
        golden=golden,
        withdrawn=withdrawn(entries),
        best=standing.best,
        objective=desk.params.objective,
    )
    verdict = select(inputs.candidates, context, desk.params.gates).with_notes(_off(desk.params), standing.note)
    uris = {
        variant: log_candidate(desk.registry, inputs.candidates[variant], bundle, inputs.float_model)
        for variant, bundle in bundles.items()
    }
    champ = standing.champion
    if verdict.winner is None or (champ and champ.sha256 == inputs.candidates[verdict.winner].sha256):
        return _keep(desk, verdict, champ)
    winner, uri = inputs.candidates[verdict.winner], uris[verdict.winner]
    shipped = Shipped.of(desk.registry.register(uri), winner, winner.score)
    receipt = _promoted(verdict, shipped, present)
    alpha = (desk.params.gates.get("beats_champion") or GATES["beats_champion"])["alpha"]
    best = best_after(winner, shipped.version, standing.best, alpha)
    gates = {"inputs": key, "receipt": receipt.to_dict(), **best.entry()}
    if desk.params.require_approval or (desk.params.canary and present is not None):
        return _hold(desk, verdict, gates, shipped, champ)
    promote(desk.registry, desk.log, shipped.version, present, who=whoami(), why=desk.why, gates=gates, by_hand=False)
    return receipt


def _off(params: ReleaseParams) -> str:
    """Name the gates that nobody was asked by."""
    off = [name for name, gate in params.gates.items() if gate is None]
    return f"switched off in params.yaml: {', '.join(off)}" if off else ""


def _promoted(verdict: Verdict, winner: Shipped, present: int | None) -> Receipt:
    instead = "the first champion" if present is None else f"in place of version {present}"
    return Receipt.of("promoted", f"promoted {winner.variant} as version {winner.version}, {instead}", verdict, winner)


def _hold(
    desk: Desk, verdict: Verdict, approved: Mapping[str, Any], waits: Shipped, standing: Champion | None
) -> Receipt:
    """Let the winner wait for approval; `approved` is what the entry of its promotion holds, should it come to that."""
    number = waits.version
    reason = (
        f"{waits.variant} waits for approval as version {number}: `qatflow promote --approve {number} --why ...` "
        "makes it champion, `qatflow promote --reject --why ...` drops it"
    )
    receipt = Receipt.of("pending", reason, verdict, _standing(desk, standing)).model_copy(update={"pending": waits})
    gates = {"inputs": approved["inputs"], "receipt": receipt.to_dict(), APPROVED: approved}
    present = None if standing is None else standing.version
    hold(desk.registry, desk.log, number, present, who=whoami(), why=desk.why, gates=gates, by_hand=False)
    return receipt


def _keep(desk: Desk, verdict: Verdict, standing: Champion | None) -> Receipt:
    if standing is None:
        return Receipt.of("kept", "nothing ships: no candidate passed its gates", verdict, None)
    because = "it is the winner itself" if verdict.winner else "no candidate passed its gates"
    return Receipt.of("kept", f"kept version {standing.version}: {because}", verdict, _standing(desk, standing))


def _standing(desk: Desk, standing: Champion | None) -> Shipped | None:
    if standing is None:
        return None
    score = standing.score if standing.score is not None else desk.registry.version(standing.version).score
    return Shipped.of(standing.version, standing, score)
