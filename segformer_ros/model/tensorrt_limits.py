# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
What the oldest supported TensorRT, 8.2 on JetPack 4.6, can read of an ONNX file.

Source: docs/operators.md of onnx-tensorrt at its tags release/8.2-GA, 8.4-GA, 8.5-GA, 8.6-GA
and 10.0-GA. Restrictions on attributes of single operators are not checked here; the parser
itself tells them when the engine is built.
"""

from typing import List
from typing import Optional

from segformer_ros.model.onnx_header import OnnxHeader

OLDEST = '8.2'
MAX_OPSET = 13

_NAMES = """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    Cast Ceil Celu Clip Concat Constant ConstantOfShape Conv ConvTranspose Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Dropout Einsum Elu Equal Erf Exp Expand EyeLike Flatten
    Floor GRU Gather GatherElements GatherND Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool
    Greater GreaterOrEqual HardSigmoid Identity If ImageScaler InstanceNormalization IsNaN LRN
    LSTM LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul Max MaxPool
    Mean Min Mul Neg NonMaxSuppression Not Or PRelu Pad ParametricSoftplus Pow QuantizeLinear RNN
    RandomUniform RandomUniformLike Range ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
    ReverseSequence Round ScaledTanh Scan Scatter ScatterElements ScatterND Selu Shape Sigmoid
    Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum
    Tan Tanh ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where
"""
OPERATORS = frozenset(_NAMES.split())

LATER_OPERATORS = (
    ('8.4', 'Shrink Xor'),
    ('8.5', 'GridSample MeanVarianceNormalization NonZero RandomNormal RandomNormalLike '
            'Reciprocal RoiAlign Trilu'),
    ('8.6', 'GroupNormalization HardSwish IsInf LayerNormalization Mod OneHot'),
    ('10.0', 'CastLike Gelu Hardmax Mish'),
)


def first_version_with(operator: str) -> Optional[str]:
    """Return the first version from 8.2 on that reads an operator; ``None`` up to 10.0."""
    if operator in OPERATORS:
        return OLDEST
    for version, names in LATER_OPERATORS:
        if operator in names.split():
            return version
    return None


def violations(header: OnnxHeader) -> List[str]:
    """Return what keeps a file from TensorRT 8.2, a sentence each; nothing if it fits."""
    found = []
    if not 0 < header.opset <= MAX_OPSET:
        found.append('opset {}: TensorRT {} reads up to {}; export with opset {}'.format(
            header.opset, OLDEST, MAX_OPSET, MAX_OPSET))
    for operator in sorted(header.ops):
        version = first_version_with(operator)
        if version is None:
            found.append('operator {}: not read by TensorRT up to 10.0'.format(operator))
        elif version != OLDEST:
            found.append('operator {}: read from TensorRT {} on'.format(operator, version))
    found += ['{}: uint8 is read from TensorRT 8.5 on'.format(spec.name)
              for spec in header.inputs + header.outputs if spec.dtype == 'uint8']
    found += ['{}: NCHW with 3 channels is what TensorRT {} is given'.format(spec, OLDEST)
              for spec in header.inputs if len(spec.shape) == 4 and spec.shape[1] != 3]
    return found
