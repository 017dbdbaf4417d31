from qatflow.quantization.post_training import PostTraining


def test_passes_model_and_samples_to_the_converter(sequence, samples):
    model, x = sequence((4,)), samples((4,))
    calls = []
    strategy = PostTraining(lambda *call: calls.append(call) or b"flatbuffer")

    assert strategy.prepare(model) is model
    assert strategy.convert(model, x) == b"flatbuffer"
    assert calls == [(model, x)]
    assert not strategy.trained
