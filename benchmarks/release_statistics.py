"""What a release's statistics let through: false promotions, and how far a hundred nights of small losses add up.

Pure simulation with the gate itself, `release.gates.BeatsChampion`, and the rule it replaced. Run from the root:

    python -m benchmarks.release_statistics > benchmarks/results/release_statistics.md
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from qatflow.artifacts import Array
from qatflow.evaluation.answers import Answers
from qatflow.evaluation.bounds import share_bounds
from qatflow.evaluation.significance import mcnemar
from qatflow.params.release import GATES
from qatflow.release.base import Candidate, Champion, Context
from qatflow.release.gates.beats_champion import BeatsChampion
from qatflow.release.lineage import best_after
from qatflow.release.preference import shares

SETTINGS = GATES["beats_champion"]
ALPHA, MARGIN = SETTINGS["alpha"], SETTINGS["margin"]
SAMPLES = (100, 1000, 10_000)
NIGHTS, TRUE, LOSS, CHURN, OWN = 100, 0.95, 0.0025, 0.3, 0.3
"""Nights of a history, accuracy of its first champion, what each candidate truly loses, share of redrawn answers, and
the part of a residual that is a regression's own."""
GATE = BeatsChampion()
Rng = np.random.Generator
Pair = Callable[[Rng, int, float], tuple[Answers, Answers]]
HEAD = """# What the statistics of a release let through

By `python -m benchmarks.release_statistics`: the gate `beats_champion` at alpha {alpha:g} and margin {margin:g}, on
models whose true score is known. docs/release.md says what the rules are.
"""
RATCHETS = """
## {nights} nights of small losses

Each night offers a model that is 6 % smaller and truly {loss:g} points worse than the champion; two models differ on
about 3 % of the samples. True losses in points of accuracy after {nights} nights, of {histories} histories.
"""
COUNTS = """
## False promotions by accuracy, of {nights:,} nights

"""
RATES = """
## Nights on which something is promoted

Of {nights:,} nights. Of models that are not good enough at most {alpha:g} % may pass, several at once too (one standard
error of these shares is {error:.1f} points); of good ones as many as a test split of that size can show. Squared errors
of R²: of normal residuals; of residuals with Student's distribution of 3 degrees of freedom, whose squares have no
variance; and log-normal ones.
"""


@dataclass(frozen=True)
class Model:
    """A model of known true accuracy, with its answers to one test split."""

    true: float
    size: int
    answers: Answers

    def candidate(self) -> Candidate:
        """Return it as a release sees it; its bytes are its size, and tell it from others."""
        told = f"{self.true:.9f} {self.answers.score:.9f} {id(self.answers)}".encode()
        model = told.ljust(self.size, b" ")[: self.size]
        return Candidate("candidate", False, {"score": self.answers.score}, {}, {"test": self.answers}, model)

    def champion(self, version: int) -> Champion:
        """Return it as a champion."""
        sha256 = self.candidate().sha256
        return Champion(version, "champion", sha256, self.answers.score, self.answers, self.size, 1.0)


def right(rng: Rng, difficulty: Array, accuracy: float) -> Answers:
    """Return answers of a model to samples of known difficulty, of which a share is drawn anew for each model."""
    redrawn = rng.random(len(difficulty)) < CHURN
    merit = np.where(redrawn, rng.random(len(difficulty)), difficulty) < accuracy
    return Answers("accuracy", merit.astype(float), np.zeros(len(difficulty), np.int64))


def new_rule(candidate: Model, champion: Champion, best: Champion) -> bool:
    """Ask the gate."""
    judged = candidate.candidate()
    return GATE(judged, Context({}, champion, {}, best=best), SETTINGS).passed


def old_rule(candidate: Model, champion: Champion, _best: Champion) -> bool:
    """Ask what the gate was before: better by McNemar's test, or not worse by it and 5 % smaller."""
    assert champion.answers is not None
    mine, its = (one.merit.astype(bool) for one in (candidate.answers, champion.answers))
    significant, gain = mcnemar(mine, its) < ALPHA, mine.mean() - its.mean()
    worse = significant and gain < 0
    return bool((significant and gain > 0) or (not worse and candidate.size <= 0.95 * champion.size_bytes))


Rule = Callable[[Model, Champion, Champion], bool]


def history(rng: Rng, samples: int, rule: Rule, *, same: bool) -> tuple[float, int]:
    """Return what the champion truly lost after all nights, and how often it changed.

    Each night offers a model that is 6 % smaller than the champion and truly worse by `LOSS`.

    Args:
        rng: Random numbers.
        samples: Of the test split.
        rule: Says whether a candidate is promoted.
        same: Whether all nights have the same test split, as a project has.
    """
    difficulty = rng.random(samples)
    champion = best = Model(TRUE, 20_000, right(rng, difficulty, TRUE))
    changes = 0
    for _night in range(NIGHTS):
        if not same:
            difficulty = rng.random(samples)
            champion, best = (Model(m.true, m.size, right(rng, difficulty, m.true)) for m in (champion, best))
        true = champion.true - LOSS
        candidate = Model(true, max(40, int(0.94 * champion.size)), right(rng, difficulty, true))
        if rule(candidate, champion.champion(1), best.champion(0)):
            after = best_after(candidate.candidate(), 2, best.champion(0), ALPHA)
            best, champion, changes = (candidate if after.version == 2 else best), candidate, changes + 1
    return TRUE - champion.true, changes


def ratchets(repeats: int) -> Iterator[str]:
    """Yield a table of `history`."""
    yield "| test split | samples | rule | promotions | true loss, mean | 95th percentile | largest |"
    yield "| --- | ---: | --- | ---: | ---: | ---: | ---: |"
    for same in (True, False):
        for samples in SAMPLES:
            for name, rule in (("before", old_rule), ("now", new_rule)):
                rng = np.random.default_rng(1)
                runs = [history(rng, samples, rule, same=same) for _ in range(repeats)]
                lost, changes = np.array(runs).T
                told = " | ".join(f"{100 * value:.2f}" for value in (lost.mean(), np.quantile(lost, 0.95), lost.max()))
                split = "the same each night" if same else "new each night"
                yield f"| {split} | {samples:,} | {name} | {changes.mean():.1f} | {told} |"


def accuracies(rng: Rng, samples: int, loss: float) -> tuple[Answers, Answers]:
    """Return answers of a champion, and of a candidate that truly loses so much."""
    difficulty = rng.random(samples)
    return right(rng, difficulty, TRUE), right(rng, difficulty, TRUE - loss)


def errors(rng: Rng, samples: int, loss: float) -> tuple[Answers, Answers]:
    """Return the same of two regressions with log-normal squared errors, of R² 0.8."""
    zeros, base = np.zeros(samples, np.int64), 0.2 * rng.lognormal(-0.5, 1.0, samples)
    noise = rng.lognormal(-0.045, 0.3, samples)
    return Answers("r2", base, zeros), Answers("r2", base * noise * (1 + loss / 0.2), zeros)


def residuals(draw: Callable[[Rng, int], Array]) -> Pair:
    """Return the same of two regressions of R² 0.8 whose residuals, of variance 1, are alike but for a part."""

    def pair(rng: Rng, samples: int, loss: float) -> tuple[Answers, Answers]:
        shared, zeros = (1 - OWN**2) ** 0.5 * draw(rng, samples), np.zeros(samples, np.int64)
        a, b = (shared + OWN * rng.normal(size=samples) for _ in range(2))
        return Answers("r2", 0.2 * a**2, zeros), Answers("r2", (0.2 + loss) * b**2, zeros)

    return pair


def ranks(rng: Rng, samples: int, loss: float) -> tuple[Answers, Answers]:
    """Return the same of two anomaly detectors, of AUC 0.86; three of ten samples are anomalies."""
    labels = (rng.random(samples) < 0.3).astype(np.int64)
    area = float(0.8556 - loss)
    spread = max((1.5 / float(ndtri(area))) ** 2 / 2 - 1, 0.0) ** 0.5
    base = 1.5 * labels + rng.normal(size=samples)
    return Answers("auc", base, labels), Answers("auc", base + spread * rng.normal(size=samples), labels)


METRICS: dict[str, Pair] = {
    "accuracy": accuracies,
    "R², normal": residuals(lambda rng, samples: rng.normal(size=samples)),
    "R², Student's 3": residuals(lambda rng, samples: rng.standard_t(3, samples) / 3**0.5),
    "R², log-normal": errors,
    "AUC": ranks,
}


def promoted(pair: Callable[[], tuple[Answers, Answers]], candidates: int, size: int) -> bool:
    """Tell whether any of several candidates passes, each at its share of the level."""
    for share in shares([str(n) for n in range(candidates)]).values():
        champion, candidate = (Model(TRUE, s, a) for s, a in zip((1000, size), pair(), strict=True))
        context = Context({}, champion.champion(1), {})
        if GATE(candidate.candidate(), context, {**SETTINGS, "alpha": ALPHA * share}).passed:
            return True
    return False


def rates(nights: int) -> Iterator[str]:
    """Yield a table of how often models are promoted that should not be, and that should."""
    cases = [
        (f"loses {MARGIN:g}, half the size", MARGIN, 500, 1),
        (f"loses {MARGIN:g}, half the size, 6 of them", MARGIN, 500, 6),
        ("is equal, same size", 0.0, 1000, 1),
        ("is equal, same size, 6 of them", 0.0, 1000, 6),
        ("is equal, half the size", 0.0, 500, 1),
    ]
    yield "| candidate, in truth | metric | " + " | ".join(f"{samples:,} samples" for samples in SAMPLES) + " |"
    yield "| --- | --- |" + " ---: |" * len(SAMPLES)
    for told, loss, size, count in cases:
        for name, make in METRICS.items():
            if (name == "AUC" and loss == 0) or (name != "accuracy" and count > 1):
                continue  # an equal detector here is the same one; several at once differ by the level alone
            found = [rate(make, samples, loss, (size, count), nights) for samples in SAMPLES]
            yield f"| {told} | {name} | " + " | ".join(f"{100 * share:.1f} %" for share in found) + " |"


def rate(make: Pair, samples: int, loss: float, offer: tuple[int, int], nights: int) -> float:
    """Return the share of nights on which anything of an offer, a size and a number of candidates, is promoted."""
    rng, (size, count) = np.random.default_rng(2), offer
    return float(np.mean([promoted(lambda: make(rng, samples, loss), count, size) for _ in range(nights)]))


def by_counts(nights: int) -> Iterator[str]:
    """Yield how often models that truly lose the margin, or nothing, are promoted: many nights, of counts alone."""
    rng, keep = np.random.default_rng(11), (1 - CHURN) ** 2
    bounds = lru_cache(maxsize=None)(share_bounds)
    yield "| candidate, in truth | " + " | ".join(f"{samples:,} samples" for samples in SAMPLES) + " |"
    yield "| --- |" + " ---: |" * len(SAMPLES)
    for told, loss in ((f"loses {MARGIN:g}, half the size", MARGIN), ("is equal, same size", 0.0)):
        worse = TRUE - loss
        only_first = keep * loss + (1 - keep) * TRUE * (1 - worse)  # where nothing was redrawn both are of one mind
        only_second = (1 - keep) * worse * (1 - TRUE)
        found = []
        for samples in SAMPLES:
            counts = rng.multinomial(samples, [only_first, only_second, 1 - only_first - only_second], nights)
            lows = np.array([bounds(int(mine), int(its), samples, ALPHA)[0] for its, mine, _ in counts])
            found.append(float(np.mean(lows >= -MARGIN if loss else lows > 0)))
        yield f"| {told} | " + " | ".join(f"{100 * share:.1f} %" for share in found) + " |"


def main() -> None:
    """Print both tables; arguments are the number of histories, and of single nights."""
    histories, nights = (int(word) for word in (sys.argv[1:] or ("20", "500")))
    started, error = time.monotonic(), 100 * (ALPHA * (1 - ALPHA) / max(nights, 1)) ** 0.5
    sys.stdout.write(HEAD.format(alpha=ALPHA, margin=MARGIN))
    told = {"nights": NIGHTS, "loss": 100 * LOSS, "histories": histories}
    if histories:
        sys.stdout.write("\n".join([RATCHETS.format(**told), *ratchets(histories), ""]))
    sys.stdout.write("\n".join([COUNTS.format(nights=20 * nights), *by_counts(20 * nights), ""]))
    sys.stdout.write("\n".join([RATES.format(nights=nights, alpha=100 * ALPHA, error=error), *rates(nights), ""]))
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
