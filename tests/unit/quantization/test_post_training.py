import numpy as np
import pytest

from qatflow.backend import keras
from qatflow.errors import ModelError
from qatflow.params.quantize import CorrectionParams
from qatflow.quantization.post_training import PostTraining

layers = keras.layers


def test_passes_model_and_samples_to_the_converter(sequence, samples, work):
    model, x = sequence((4,)), samples((4,))
    calls = []
    strategy = PostTraining(lambda *call: calls.append(call) or b"flatbuffer")

    prepared = strategy.prepare(model, work((4,)))
    assert prepared.model is model
    assert not prepared.plan.layers
    assert strategy.train(prepared, model, work((4,))) == (prepared, [], {})
    assert strategy.convert(prepared, x) == b"flatbuffer"
    assert calls == [(model, x)]
    assert not strategy.trained


def test_corrections_are_made_where_wished_and_possible(sequence, work, samples):
    stack = [layers.Conv2D(3, 3, activation="relu", name="a"), layers.Conv2D(3, 3, name="b")]
    model = sequence((8, 8, 2), *stack)
    model.get_layer("a").kernel.assign(model.get_layer("a").kernel * [1, 10, 100])
    before = model.get_weights()
    wished = work((8, 8, 2), corrections=CorrectionParams(equalize=True, bias=True))

    corrected = PostTraining(lambda *_: b"", bits=8).prepare(model, wished)
    plain = PostTraining(lambda *_: b"").prepare(model, wished)

    def spread(each):
        tops = np.abs(each.get_layer("a").kernel.numpy()).max(axis=(0, 1, 2))
        return tops.max() / tops.min()

    x = samples((8, 8, 2))
    np.testing.assert_allclose(corrected.model(x), model(x), rtol=1e-3)
    assert spread(corrected.model) < 0.5 * spread(model)
    assert corrected.reference is corrected.model
    assert (plain.model, plain.reference) == (model, None)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_that_are_not_finite_are_refused(sequence, work):
    model = sequence((4,), layers.Dense(2, name="lost"))
    model.get_layer("lost").kernel.assign(np.full((4, 2), np.nan))

    with pytest.raises(ModelError, match="layer 'lost' of sequence has NaN or infinity in its kernel"):
        PostTraining(lambda *_: b"").prepare(model, work((4,)))
