import numpy as np
import pytest

from qatflow.ensemble.choose import choose
from qatflow.ensemble.combine import COMBINERS
from qatflow.ensemble.loss import loss
from qatflow.errors import ModelError, ParamsError
from qatflow.params.ensemble import EnsembleParams
from qatflow.tflite.rewrite import pack, parse
from qatflow.tflite.runtime import Runner


def wanted(**settings):
    return EnsembleParams.model_validate(settings)


class TestChoice:
    def test_its_losses_are_those_of_the_flatbuffers_on_the_validation_split(self, classifiers, digits):
        choice = choose(wanted(members=("int8", "int4")), classifiers, digits)
        x, y = digits.val.arrays()
        outputs = np.stack([Runner(classifiers[name]).predict(x) for name in ("int4", "int8")])

        assert choice.losses["int4"] == loss("classification", y, outputs[0])
        weights = [np.float32(weight) for weight in choice.weights.values()]
        combined = COMBINERS["weighted"].combine(outputs, weights)
        assert choice.losses["ensemble"] == loss("classification", y, combined)
        assert choice.losses["ensemble"] <= min(choice.losses["int4"], choice.losses["int8"]) + 1e-6

    @pytest.mark.parametrize("combine", ["mean", "weighted"])
    def test_auto_is_better_than_the_best_model(self, diverse, digits, combine):
        choice = choose(wanted(combine=combine), diverse, digits)

        assert len(choice.weights) >= 2
        assert choice.losses["ensemble"] < min(choice.losses[name] for name in diverse)

    def test_a_vote_errs_less_than_the_best_model(self, diverse, digits):
        x, y = digits.val.arrays()
        choice = choose(wanted(combine="vote"), diverse, digits)

        voters = np.stack([Runner(diverse[name]).predict(x) for name in choice.weights])
        errors = [np.mean(Runner(model).predict(x).argmax(axis=1) != y) for model in diverse.values()]
        assert np.mean(
            COMBINERS["vote"].combine(voters, [np.float32(1 / len(voters))] * len(voters)).argmax(axis=1) != y
        ) < min(errors)

    def test_auto_says_how_it_chose(self, diverse, digits):
        choice = choose(wanted(), diverse, digits)

        assert "chosen greedily, weights fitted, on 251 validation samples" in choice.reason

    def test_auto_takes_no_more_than_asked_for(self, diverse, digits):
        assert [len(choose(wanted(size=size), diverse, digits).weights) for size in (2, 3)] == [2, 3]

    def test_auto_leaves_out_what_does_not_help(self, classifiers, digits):
        pair = {name: classifiers[name] for name in ("int8", "float32")}
        choice = choose(wanted(), pair, digits)

        assert dict(choice.weights) == {}
        assert choice.reason == "on the validation split no combination is better than float32 alone"

    def test_a_named_member_without_weight_goes(self, classifiers, digits):
        choice = choose(wanted(members=tuple(classifiers)), classifiers, digits)

        assert list(choice.weights) == ["float16", "float32", "int4"]
        assert choice.reason.endswith("; without int8, whose weight is 0")

    def test_named_members_of_which_one_has_all_the_weight_make_no_ensemble(self, classifiers, digits):
        choice = choose(wanted(members=("int8", "float32")), classifiers, digits)

        assert dict(choice.weights) == {}

    @pytest.mark.parametrize("combine", ["mean", "vote"])
    def test_without_fitted_weights_all_count_the_same(self, classifiers, digits, combine):
        choice = choose(wanted(members=("int8", "float32"), combine=combine), classifiers, digits)

        assert list(choice.weights.values()) == [0.5, 0.5]
        assert "named in the parameters, weights equal" in choice.reason

    def test_members_come_in_the_order_of_their_names(self, classifiers, digits):
        assert list(choose(wanted(members=("int4", "float32")), classifiers, digits).weights) == ["float32", "int4"]

    def test_equal_models_make_none(self, golden, digits):
        choice = choose(wanted(), {"a": golden["int8"], "b": golden["int8"]}, digits)

        assert (dict(choice.weights), choice.reason) == (
            {}, "on the validation split no combination is better than a alone"
        )  # fmt: skip

    def test_regressors(self, golden, brightness):
        models = {"a": golden["regressor"], "b": golden["regressor"]}

        assert dict(choose(wanted(members=("a", "b")), models, brightness).weights) == {"a": 0.5, "b": 0.5}


class TestRefused:
    def test_an_unknown_member(self, classifiers, digits):
        with pytest.raises(ParamsError, match=r"Unknown ensemble member 'int3'. Known: float16, .*mean 'int"):
            choose(wanted(members=("int8", "int3")), classifiers, digits)

    def test_a_vote_of_regressors(self, golden, brightness):
        with pytest.raises(ParamsError, match=r"'vote' is for classification; for regression: mean, weighted"):
            choose(wanted(combine="vote"), {"a": golden["regressor"], "b": golden["regressor"]}, brightness)

    def test_other_inputs_than_the_data(self, golden, digits):
        with pytest.raises(ModelError, match=r"regressor takes inputs of shape \[64\]; the data have \[8, 8, 1\]"):
            choose(wanted(), {"int8": golden["int8"], "regressor": golden["regressor"]}, digits)

    def test_other_classes_than_the_data(self, golden, brightness):
        with pytest.raises(ModelError, match="autoencoder gives 64 outputs; the data need 1"):
            choose(wanted(), {"regressor": golden["regressor"], "autoencoder": golden["autoencoder"]}, brightness)

    def test_logits(self, classifiers, digits):
        tree = parse(classifiers["float32"])
        graph = tree.subgraphs[0]
        softmax = graph.operators.pop()
        graph.outputs = softmax.inputs
        tree.signatureDefs = []

        with pytest.raises(ModelError, match=r"logits gives no probabilities .* put a softmax behind it"):
            choose(wanted(), {"int8": classifiers["int8"], "logits": pack(tree)}, digits)
