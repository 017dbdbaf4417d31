"""How much of the time of trying every strategy the search needs, and whether its result is as good.

`python -m benchmarks.auto_quantize [--model MODEL --data DATA] [--epochs N] [--max-samples N]` runs both, one after the
other, and prints a Markdown table. Without a model it trains a small one on the digits.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from qatflow.backend import keras, start
from qatflow.models import ARCHITECTURES
from qatflow.quantization import STRATEGIES
from qatflow.quantization.run import make
from qatflow.screen import hushed
from qatflow.search.clock import Clock
from qatflow.search.decide import qualifies
from qatflow.search.inputs import Inputs, take_inputs
from qatflow.search.loop import Search
from qatflow.search.options import Goal, Options
from qatflow.search.result import SearchResult

TARGET = 0.35


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    options = Options(epochs=arguments.epochs, max_samples=arguments.max_samples, seed=arguments.seed)
    goal = Goal(max_drop=arguments.max_drop)
    with hushed(), tempfile.TemporaryDirectory() as folder:
        model = arguments.model or _digits_model(Path(folder) / "digits.keras")
        inputs = take_inputs(model, arguments.data, options)
        auto, auto_s = _timed(inputs, goal, options, exhaustive=False)
        every, every_s = _timed(inputs, goal, options, exhaustive=True)
    print("| | seconds | made | chosen | bytes | validation | test |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: |")
    print(_row("auto", auto, auto_s))
    print(_row("every strategy", every, every_s))
    print(f"\nTime ratio {auto_s / every_s:.2f}, target at most {TARGET}. Size ratio {_size_ratio(auto, every):.3f}.")
    print(f"By the second run's own seconds, which a busy machine disturbs less: {_share(auto, every):.2f}.")
    print(f"Both lose at most {goal.max_drop:g}: {_good(auto)} and {_good(every)}.\n")
    for trial in every.trials:
        told = f"{trial.val_score:.4f} {trial.size_bytes:>9} bytes" if trial.size_bytes else trial.reason
        skipped = next((one.reason for one in auto.trials if one.strategy == trial.strategy), "")
        print(f"- {trial.strategy:22} {trial.seconds:7.1f} s  {told}  {skipped and f'auto: {skipped}'}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help=".keras or .h5")
    parser.add_argument("--data", default="digits", help="any data that `qatflow quantize` takes")
    parser.add_argument("--epochs", type=int, help="of each training")
    parser.add_argument("--max-samples", type=int)
    parser.add_argument("--max-drop", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args()


def _digits_model(path: Path) -> Path:
    """Train small_cnn on the digits as they are, 0 to 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    start(1)
    model = ARCHITECTURES["small_cnn"]((8, 8, 1), 10, 1.0, "classification")
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(digits.images[..., None], digits.target, batch_size=64, epochs=15, verbose=0)
    model.save(path)
    return path


def _timed(inputs: Inputs, goal: Goal, options: Options, *, exhaustive: bool) -> tuple[SearchResult, float]:
    started = time.monotonic()
    search = Search(inputs.model, inputs.data, goal, options, make=make, clock=Clock())
    return search.auto(list(STRATEGIES), exhaustive=exhaustive), time.monotonic() - started


def _row(name: str, result: SearchResult, seconds: float) -> str:
    made = sum(trial.status == "measured" for trial in result.trials)
    chosen = result.chosen
    return (
        f"| {name} | {seconds:.1f} | {made} of {len(result.trials)} | {chosen.strategy} | {chosen.size_bytes} "
        f"| {chosen.val_score:.4f} | {chosen.score:.4f} |"
    )


def _share(auto: SearchResult, every: SearchResult) -> float:
    """Return the share of the exhaustive run's seconds that went into candidates that the search made too."""
    made = {trial.strategy for trial in auto.trials if trial.status != "skipped"}
    seconds = {trial.strategy: trial.seconds for trial in every.trials}
    return sum(seconds[name] for name in made) / sum(seconds.values())


def _size_ratio(auto: SearchResult, every: SearchResult) -> float:
    return len(auto.flatbuffer) / len(every.flatbuffer)


def _good(result: SearchResult) -> bool:
    return qualifies(result.chosen, result.goal, result.trials[0].val_score or 0.0)


if __name__ == "__main__":
    main()
