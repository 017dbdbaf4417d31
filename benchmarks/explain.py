"""What batched inference gains when flatbuffers are explained, and how long 100 images take.

`python -m benchmarks.explain digits|resnet8 [--data FOLDER] [--model FILE.h5] [--images N] [--threads N]` quantizes a
float model (`digits` trains one, `resnet8` needs CIFAR-10 as an image folder and MLPerf Tiny's pretrainedResnet.h5) and
explains the same images on float, int8 and int4 flatbuffers with the same explainer and the same masks, three ways:

- batched: as the stage `explain` does, samples with the same coalitions together;
- each alone: one sample at a time, as TensorFlow's guide shows it: quantize, set, invoke, get, dequantize;
- bare loop: inputs quantized as a whole, then set, invoke and get one by one; nothing in Python can be faster.

Prints a Markdown table: processor time, on one thread, of the model's answers and of whole explanations, the ratios,
and the largest difference of values. Then the wall time of many images, with `--threads`, and how exact shap's
explainers are for the same number of evaluations.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from benchmarks.qat_accuracy import arguments_parser, base_model, prepared_data
from qatflow.artifacts import Array
from qatflow.data.prepared import PreparedData
from qatflow.explanation.drift import rank_correlation
from qatflow.explanation.game import Answer, Game, answer_of
from qatflow.explanation.shapley import attribute, attribute_samples
from qatflow.explanation.subject import Field, open_field
from qatflow.params.explain import ExplainParams
from qatflow.params.quantize import QuantizeParams
from qatflow.quantization.run import make
from qatflow.screen import hushed
from qatflow.tflite.convert import convert_float
from qatflow.tflite.runtime import Runner
from qatflow.tflite.session import TensorSpec

WANTED = ExplainParams()
COMPARED = 16
"""Images of the comparison; alone, they take long."""
REPEATS = 3


def main() -> None:
    """Measure and print."""
    parser = arguments_parser(__doc__ or "")
    parser.add_argument("--images", type=int, default=100, help="explained for the time of many images")
    parser.add_argument("--threads", type=int, default=2, help="of batched inference; tiny models are faster with 1")
    parser.add_argument("--samples", type=int, default=1000, help="of each split")
    arguments = parser.parse_args()
    with hushed(), tempfile.TemporaryDirectory() as folder:
        data = prepared_data(arguments, Path(folder) / "data", arguments.samples)
        models = _models(arguments, data)
        field = open_field(data, WANTED)
        print(f"\n{arguments.case}: {field.players.count} players, {WANTED.evaluations} evaluations for each\n")
        _compare(models, data, field)
        for name, model in models.items():
            answer = _batched(model, arguments.threads)
            started = time.perf_counter()
            _explain(answer, data, field, arguments.images, together=True)
            print(f"{arguments.images} images on {name}: {time.perf_counter() - started:.1f} s", flush=True)
        _exactness(models["int8"], data, field)


def _models(arguments: argparse.Namespace, data: PreparedData) -> dict[str, bytes]:
    base = base_model(arguments, data)
    quantized = {"int8": "ptq_w8a8", "int4": "ptq_w4a8"}
    made = {name: make(strategy, base, data, QuantizeParams(), seed=0) for name, strategy in quantized.items()}
    return {"float": convert_float(base), **{name: one.flatbuffer for name, one in made.items()}}


def _compare(models: Mapping[str, bytes], data: PreparedData, field: Field) -> None:
    print(
        "| flatbuffer | answers: batched µs | each alone µs (ratio) | bare loop µs (ratio) | "
        "explanation: batched ms | each alone ms (ratio) | bare loop ms (ratio) | largest difference |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    x = np.repeat(data.test.arrays(limit=8)[0], WANTED.evaluations * field.players.count // 8, axis=0)
    for name, model in models.items():
        ways = {"batched": _batched(model, 1), "alone": _alone(model), "loop": _loop(model)}
        answers = {way: _median(partial(answer, x)) / len(x) * 1e6 for way, answer in ways.items()}
        explain = {
            way: partial(_explain, answer, data, field, COMPARED, together=way == "batched")
            for way, answer in ways.items()
        }
        values = {way: work() for way, work in explain.items()}
        whole = {way: _median(work) / COMPARED * 1e3 for way, work in explain.items()}
        worst = max(float(np.abs(values[way] - values["batched"]).max()) for way in ("alone", "loop"))
        cells = [
            f"{found['batched']:.1f} | "
            + " | ".join(f"{found[way]:.1f} ({found[way] / found['batched']:.1f})" for way in ("alone", "loop"))
            for found in (answers, whole)
        ]
        print(f"| {name} | {cells[0]} | {cells[1]} | {worst:.0e} |", flush=True)


def _explain(answer: Answer, data: PreparedData, field: Field, count: int, *, together: bool) -> Array:
    """Return the attributions (count, players) of the first output of the first test samples.

    Args:
        answer: The model.
        data: Gives the samples.
        field: How they are divided.
        count: So many.
        together: Whether samples share their coalitions, as in the stage, or are explained one after another.
    """
    x, _ = data.test.arrays(limit=count)
    games = [field.game(answer, row, [0]) for row in x]
    if together:
        return np.stack([each[:, 0] for (each,) in attribute_samples([[g] for g in games], WANTED.evaluations, (0,))])
    return np.stack([attribute(game, WANTED.evaluations, (0,))[:, 0] for game in games])


def _batched(model: bytes, threads: int) -> Answer:
    return answer_of(model, "classification", threads=threads)


def _alone(model: bytes) -> Answer:
    """Return a model that is asked one sample at a time, each call on its own."""
    invoke, source, sink = _interpreter(model)
    return lambda x: np.concatenate([sink.dequantize(invoke(source.quantize(row[None]))) for row in x])


def _loop(model: bytes) -> Answer:
    """Return a model whose interpreter is called one by one; nothing else is."""
    invoke, source, sink = _interpreter(model)
    return lambda x: sink.dequantize(np.concatenate([invoke(row[None]) for row in source.quantize(x)]))


def _interpreter(model: bytes) -> tuple[Callable[[Array], Array], TensorSpec, TensorSpec]:
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    source, sink = (
        details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
    )

    def invoke(q: Array) -> Array:
        interpreter.set_tensor(source, q)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(sink))

    described = Runner(model)
    return invoke, described.input, described.output


def _exactness(model: bytes, data: PreparedData, field: Field) -> None:
    """Compare shap's explainers with many evaluations of the same one, by evaluations per image."""
    x, _ = data.test.arrays(limit=COMPARED)
    answer = _batched(model, 2)
    games = [field.game(answer, row, [int(answer(row[None]).argmax())]) for row in x]
    truth = [attribute(game, 1024, (9, i))[:, 0] for i, game in enumerate(games)]
    explainers = {"kernel": _kernel, "permutation": _permutation, "sampling": _sampling}
    print("\n| explainer | evaluations | rank correlation with the truth | relative error | ms |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for evaluations in (16, 64, 256):
        for name, explainer in explainers.items():
            explainer(games[0], evaluations, 0)  # numba compiles
            started = time.perf_counter()
            found = [explainer(game, evaluations, i) for i, game in enumerate(games)]
            seconds = (time.perf_counter() - started) / len(games)
            print(_exact_line(name, evaluations * field.players.count, found, truth, seconds), flush=True)


def _exact_line(name: str, evaluations: int, found: Sequence[Array], truth: Sequence[Array], seconds: float) -> str:
    ranks = statistics.mean(rank_correlation(a, b) for a, b in zip(found, truth, strict=True))
    errors = statistics.mean(
        float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(found, truth, strict=True)
    )
    return f"| {name} | {evaluations} | {ranks:.3f} | {errors:.3f} | {seconds * 1e3:.1f} |"


def _kernel(game: Game, evaluations: int, seed: int) -> Array:
    return attribute(game, evaluations, (seed,))[:, 0]


def _permutation(game: Game, evaluations: int, seed: int) -> Array:
    import shap

    count = game.players.count
    explainer = shap.PermutationExplainer(
        lambda z: game.worth(z > 0.5)[:, 0], shap.maskers.Independent(np.zeros((1, count))), seed=seed
    )
    budget = max(evaluations * count, 2 * count + 1)
    return np.asarray(explainer(np.ones((1, count)), max_evals=budget, silent=True).values[0])


def _sampling(game: Game, evaluations: int, seed: int) -> Array:
    import shap

    count = game.players.count
    np.random.seed(seed)  # noqa: NPY002 (shap knows no other)
    explainer = shap.SamplingExplainer(lambda z: game.worth(z > 0.5)[:, 0], np.zeros((1, count)))
    values = explainer.shap_values(np.ones((1, count)), nsamples=evaluations * count // 2, silent=True)
    return np.asarray(values).reshape(-1)


def _median(work: Callable[[], object]) -> float:
    """Return the processor time of some work in seconds, which a busy machine does not change."""
    work()
    return statistics.median(_time(work) for _ in range(REPEATS))


def _time(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
