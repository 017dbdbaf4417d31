"""What TFLite Micro can run: the names under which `MicroMutableOpResolver` takes its operators.

As tflite-micro's python_ops_resolver.cc registers them (commit 85e19dd), without those of its audio front end.
"""

from __future__ import annotations

from collections.abc import Iterable

from qatflow.errors import DeployError

METHODS = (  # noqa: SIM905 (as a list it would fill two screens)
    "Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo "
    "CallOnce Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div Elu "
    "EmbeddingLookup Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater "
    "GreaterEqual HardSwish If L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogSoftmax LogicalAnd LogicalNot "
    "LogicalOr Logistic MaxPool2D Maximum Mean Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize "
    "ReadVariable ReduceMax Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor Round Rsqrt SelectV2 Shape Sin "
    "Slice Softmax SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub Sum "
    "Svdf Tanh Transpose TransposeConv UnidirectionalSequenceLSTM Unpack VarHandle While ZerosLike"
).split()
_BY_OPERATOR = {method.lower(): f"Add{method}" for method in METHODS}


def resolver_methods(operators: Iterable[str]) -> list[str]:
    """Return the resolver's methods for operators such as CONV_2D, each once, sorted.

    Raises:
        DeployError: If TFLite Micro has no such operator.
    """
    wanted = {name: _BY_OPERATOR.get(name.replace("_", "").lower()) for name in operators}
    missing = sorted(name for name, method in wanted.items() if method is None)
    if missing:
        raise DeployError(
            f"TFLite Micro has no operator {', '.join(missing)}; the model cannot run there: put another layer in its "
            "place (relu, relu6, hard_swish, sigmoid and tanh run there), or deploy it for LiteRT, as --target archive"
        )
    return sorted(method for method in wanted.values() if method is not None)
