# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""
Stands in for the module ``tensorrt`` of one version, and computes with onnxruntime.

Every class has exactly the public attributes that were recorded for that version
(test/data/tensorrt_api.json): calling, reading or setting anything else is an AttributeError,
and no method takes ``*args``. Version and faults come from the environment, so that a builder
process gets the same module: ``FAKE_TENSORRT_VERSION``, and ``FAKE_TENSORRT_FAULTS``, words
separated by blanks (see ``FAULTS``).

What a graph means for precision is checked where the real builder would go wrong silently: a
weakly typed network with the FP16 flag gives garbage unless every softmax and reduction and the
classifier is pinned to 32 bits and the obey flag is set; from 10 on, the flag always does. Pairs
of QuantizeLinear and DequantizeLinear need the INT8 flag in a weakly typed network; a typed one
takes no flag for precision (developer guides of 8.x and 10.x, "Explicit Quantization").
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time

import numpy as np

from segformer_ros.common.errors import ModelError
from segformer_ros.model.onnx_file import inspection
from segformer_ros.model.onnx_file import messages
from segformer_ros.model.onnx_file.header import read_onnx_header
from segformer_ros.model.onnx_file.protobuf import WireReader
from support.fake_device import device
from support.fake_device import DeviceError

FAULTS = {
    'build_none': 'no engine can be built',
    'build_none_above_64': 'no engine with a workspace above 64 MiB',
    'build_none_without_cublas': 'no engine unless cuBLAS may be used',
    'build_kill': 'the process is killed while it builds',
    'build_hang': 'building never ends',
    'build_slow': 'building takes two seconds',
    'build_waits': 'building waits until there is a file $FAKE_TENSORRT_MARK',
    'no_fast_fp16': 'the GPU has no fast FP16',
    'no_fast_int8': 'the GPU has no fast INT8',
    'deserialize_none': 'no plan is taken',
    'deserialize_none_once': 'the first plan is not taken (marks $FAKE_TENSORRT_MARK)',
    'deserialize_kill': 'the process is killed while it loads a plan',
    'deserialize_crash': 'the process crashes while it loads a plan',
    'deserialize_kill_parent': 'loading kills the process unless it is a builder process',
    'deserialize_slow': 'loading takes two seconds unless it is a builder process',
    'context_none': 'no execution context',
    'enqueue_false': 'no inference is accepted',
    'enqueue_false_later': 'no inference is accepted after the third',
    'nan': 'results are not numbers',
    'wrong_mixed': 'mixed-precision engines give other masks',
    'wrong_int8': 'engines with 8-bit integers give other masks',
    'wrong': 'every engine gives other masks',
}
_API_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'data',
                         'tensorrt_api.json')
with open(_API_PATH, encoding='utf-8') as _stream:
    RECORDED = json.load(_stream)['versions']


def _is_builder():
    """Return whether this is a process that builds and validates engines."""
    return os.path.join('inference', 'trt', 'worker') in sys.argv[0]


VERSIONS = tuple(sorted(RECORDED, key=lambda text: [int(part) for part in text.split('.')]))
# Printed by the parser's importers, not by our code under test.
_LAYER_OF_OP = {
    'Softmax': 'SOFTMAX', 'Conv': 'CONVOLUTION', 'MatMul': 'MATRIX_MULTIPLY',
    'ReduceMean': 'REDUCE', 'Add': 'ELEMENTWISE', 'Sub': 'ELEMENTWISE', 'Mul': 'ELEMENTWISE',
    'Div': 'ELEMENTWISE', 'Pow': 'ELEMENTWISE', 'Sqrt': 'UNARY', 'Erf': 'UNARY',
    'Relu': 'ACTIVATION', 'Resize': 'RESIZE', 'Concat': 'CONCATENATION',
    'QuantizeLinear': 'QUANTIZE', 'DequantizeLinear': 'DEQUANTIZE',
    'LayerNormalization': 'NORMALIZATION', 'Cast': 'IDENTITY', 'Shape': 'SHAPE'}
_TRT_DTYPE = {'float32': 'FLOAT', 'float16': 'HALF', 'uint8': 'UINT8', 'int32': 'INT32',
              'int64': 'INT64', 'bool': 'BOOL', 'int8': 'INT8'}

# What happened, in order; for tests in the same process.
events = []


class _Member:
    """A value of an enum, as pybind11 makes them: no number, but int() gives one."""

    def __init__(self, kind, name, value):
        self._text = f'{kind}.{name}'
        self.name, self.value = name, value

    def __int__(self):
        """Return the number."""
        return self.value

    def __repr__(self):
        """Return kind and name."""
        return self._text


def _enum(kind, names):
    members = {name: _Member(kind, name, number) for number, name in enumerate(names)}
    return type(kind, (), members)


class _Implementations:
    """Everything that some version has; classes of one version take what they have of it."""

    class Logger:
        def __init__(self, min_severity=None):
            self._min_severity = min_severity

    class IHostMemory:
        def __init__(self, content):
            self._content = content

        @property
        def nbytes(self):
            return len(self._content)

        def __bytes__(self):
            return self._content

    class ITimingCache:
        def __init__(self, content):
            self._content = content

        def serialize(self):
            return self._trt.IHostMemory(self._content or b'timed')

    class ITensor:
        def __init__(self, name, shape, dtype, is_shape):
            self._name, self._shape, self._dtype, self._is_shape = name, shape, dtype, is_shape

        @property
        def name(self):
            return self._name

        @property
        def dtype(self):
            return self._dtype

        @property
        def is_shape_tensor(self):
            return self._is_shape

        @property
        def shape(self):
            return self._shape

        @shape.setter
        def shape(self, value):
            self._shape = tuple(value)

    class ILayer:
        def __init__(self, kind, inputs, outputs):
            self._kind, self._inputs, self._outputs = kind, inputs, outputs
            self._precision = None
            self._output_types = {}

        @property
        def type(self):
            return self._kind

        @property
        def num_inputs(self):
            return len(self._inputs)

        @property
        def num_outputs(self):
            return len(self._outputs)

        def get_input(self, index):
            return self._inputs[index]

        def get_output(self, index):
            return self._outputs[index]

        @property
        def precision(self):
            return self._precision

        @precision.setter
        def precision(self, value):
            self._need_float()
            self._precision = value

        def set_output_type(self, index, dtype):
            self._need_float()
            self._output_types[index] = dtype

        def _need_float(self):
            kinds = (self._trt.DataType.FLOAT, self._trt.DataType.HALF)
            if self._kind is self._trt.LayerType.CONSTANT or any(
                    tensor.dtype not in kinds for tensor in self._outputs):
                raise RuntimeError('a precision was set on a layer that computes no floats')

        def _is_pinned(self):
            return self._precision is self._trt.DataType.FLOAT and len(
                self._output_types) == len(self._outputs)

    class INetworkDefinition:
        def __init__(self, flags):
            self._flags = flags
            self._content = None
            self._layers, self._inputs, self._outputs = [], [], []

        @property
        def num_layers(self):
            return len(self._layers)

        @property
        def num_inputs(self):
            return len(self._inputs)

        @property
        def num_outputs(self):
            return len(self._outputs)

        def get_layer(self, index):
            return self._layers[index]

        def get_input(self, index):
            return self._inputs[index]

        def get_output(self, index):
            return self._outputs[index]

    class ParserError:
        def __init__(self, text, node):
            self._text, self._node = text, node

        def desc(self):
            return self._text

        def node(self):
            return self._node

    class OnnxParser:
        def __init__(self, network, logger):
            self._network, self._logger, self._errors = network, logger, []

        def parse(self, model, path=None):
            if not isinstance(model, bytes):
                raise TypeError('parse() takes bytes')
            whole = _with_weights(model, path)
            if whole is None:
                self._errors = [self._trt.ParserError(
                    'Failed to open the file of external weights', -1)]
                return False
            self._errors = self._trt._parse(self._network, whole)
            return not self._errors

        @property
        def num_errors(self):
            return len(self._errors)

        def get_error(self, index):
            return self._errors[index]

    class IBuilderConfig:
        def __init__(self):
            self._flags = {'TF32'}
            self._workspace = None
            self._sources = None
            self._cache = None

        builder_optimization_level = 3
        progress_monitor = None

        def set_flag(self, flag):
            self._flags.add(flag.name)

        def clear_flag(self, flag):
            self._flags.discard(flag.name)

        def set_memory_pool_limit(self, pool, pool_size):
            if pool.name == 'WORKSPACE':
                self._workspace = pool_size

        @property
        def max_workspace_size(self):
            return self._workspace

        @max_workspace_size.setter
        def max_workspace_size(self, value):
            self._workspace = value

        def set_tactic_sources(self, tactic_sources):
            self._sources = int(tactic_sources)
            return True

        def create_timing_cache(self, serialized_timing_cache):
            return self._trt.ITimingCache(bytes(serialized_timing_cache))

        def set_timing_cache(self, cache, ignore_mismatch):
            if cache._content not in (b'', b'timed'):
                return False
            self._cache = cache
            return True

        def get_timing_cache(self):
            return self._cache

    class Builder:
        def __init__(self, logger):
            self._logger = logger

        @property
        def platform_has_fast_fp16(self):
            return 'no_fast_fp16' not in self._trt._faults

        @property
        def platform_has_fast_int8(self):
            return 'no_fast_int8' not in self._trt._faults

        def create_network(self, flags=0):
            kinds = self._trt.NetworkDefinitionCreationFlag
            explicit = getattr(kinds, 'EXPLICIT_BATCH', None)
            if explicit is not None and not hasattr(kinds, 'STRONGLY_TYPED') \
                    and not flags & (1 << int(explicit)):
                raise RuntimeError('EXPLICIT_BATCH is required before 10.0')
            return self._trt.INetworkDefinition(flags)

        def create_builder_config(self):
            return self._trt.IBuilderConfig()

        def build_serialized_network(self, network, config):
            return self._trt._build(network, config)

    class Runtime:
        def __init__(self, logger):
            device.need_context()
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine):
            device.need_context()
            return self._trt._deserialize(serialized_engine)

        def __del__(self):
            events.append('runtime gone' if device.stack() else 'runtime gone without context')

    class ICudaEngine:
        def __init__(self, header, content):
            import onnxruntime
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3
            if header['int8']:
                # Pairs one by one; onnxruntime's own integer layers round otherwise.
                options.graph_optimization_level = \
                    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            self._header = header
            self._session = onnxruntime.InferenceSession(
                content, options, providers=['CPUExecutionProvider'])
            # 8.x returns INT64 results as INT32.
            self._entries = [(entry, mode) for entries, mode in (
                (self._session.get_inputs(), 'INPUT'), (self._session.get_outputs(), 'OUTPUT'))
                for entry in entries]

        def _entry(self, name):
            return next(pair for pair in self._entries if pair[0].name == name)

        def _dtype(self, entry):
            names = {'tensor(float)': 'FLOAT', 'tensor(float16)': 'HALF',
                     'tensor(uint8)': 'UINT8', 'tensor(int32)': 'INT32',
                     'tensor(int64)': 'INT64' if hasattr(self._trt.DataType, 'INT64')
                     else 'INT32'}
            return getattr(self._trt.DataType, names[entry.type])

        def create_execution_context(self):
            device.need_context()
            if 'context_none' in self._trt._faults:
                return None
            return self._trt.IExecutionContext(self)

        @property
        def num_bindings(self):
            return len(self._entries)

        @property
        def num_io_tensors(self):
            return len(self._entries)

        def get_binding_name(self, index):
            return self._entries[index][0].name

        def get_tensor_name(self, index):
            return self._entries[index][0].name

        def get_binding_shape(self, index):
            return tuple(self._entries[index][0].shape)

        def get_tensor_shape(self, name):
            return tuple(self._entry(name)[0].shape)

        def get_binding_dtype(self, index):
            return self._dtype(self._entries[index][0])

        def get_tensor_dtype(self, name):
            return self._dtype(self._entry(name)[0])

        def binding_is_input(self, index):
            return self._entries[index][1] == 'INPUT'

        def get_tensor_mode(self, name):
            return getattr(self._trt.TensorIOMode, self._entry(name)[1])

        @property
        def device_memory_size(self):
            return 3 << 20

        @property
        def device_memory_size_v2(self):
            return 3 << 20

        def __del__(self):
            events.append('engine gone' if device.stack() else 'engine gone without context')

    class IExecutionContext:
        def __init__(self, engine):
            self._engine = engine
            self._addresses = {}
            self._runs = 0

        def set_tensor_address(self, name, memory):
            self._addresses[name] = int(memory)
            return True

        def execute_async_v2(self, bindings, stream_handle, input_consumed=None):
            names = [entry.name for entry, _ in self._engine._entries]
            self._addresses = dict(zip(names, bindings))
            return self._enqueue(stream_handle)

        def execute_async_v3(self, stream_handle):
            return self._enqueue(stream_handle)

        def _enqueue(self, stream):
            self._runs += 1
            faults = self._trt._faults
            if 'enqueue_false' in faults or ('enqueue_false_later' in faults and self._runs > 3):
                return False
            device.enqueue(stream, self._compute)
            return True

        def _compute(self):
            inputs, outputs = {}, []
            for entry, mode in self._engine._entries:
                dtype = {'tensor(float)': np.float32, 'tensor(float16)': np.float16,
                         'tensor(uint8)': np.uint8}[entry.type]
                nbytes = int(np.prod(entry.shape)) * np.dtype(dtype).itemsize
                memory = device.bytes_at(self._addresses[entry.name], nbytes)
                if mode == 'INPUT':
                    inputs[entry.name] = memory.view(dtype).reshape(entry.shape)
                else:
                    outputs.append((entry.name, memory))
            results = self._engine._session.run([name for name, _ in outputs], inputs)
            for (_, memory), values in zip(outputs, results):
                memory[:] = self._trt._spoil(
                    self._engine._header, values).reshape(-1).view(np.uint8)

        def __del__(self):
            events.append('context gone' if device.stack() else 'context gone without context')


class _Module:
    """One version of the module; its attributes are those of ``tensorrt``."""

    def __init__(self, version, faults):
        unknown = set(faults) - set(FAULTS)
        if unknown:
            raise ValueError(f'unknown faults: {unknown}')
        self.__version__ = version
        self._faults = frozenset(faults)
        recorded = {name: text.split() for name, text in RECORDED[version].items()}
        for name, names in recorded.items():
            implementation = getattr(_Implementations, name, None)
            if implementation is not None:
                setattr(self, name, _strict(self, name, implementation, names))
            elif name == 'IProgressMonitor':
                self.IProgressMonitor = type(name, (), {})
            else:
                setattr(self, name, _enum(name, names))
        if 'ITensor' not in recorded:
            # Not read below 8.6, but there: names of 8.6.1.
            self.ITensor = _strict(self, 'ITensor', _Implementations.ITensor,
                                   RECORDED['8.6.1']['ITensor'].split())

    def _major(self):
        return [int(part) for part in self.__version__.split('.')]

    def _parse(self, network, content):
        with tempfile.NamedTemporaryFile(suffix='.onnx') as stream:
            stream.write(content)
            stream.flush()
            try:
                header = read_onnx_header(stream.name)
            except Exception as error:
                return [self.ParserError(f'Failed to parse ONNX model: {error}', -1)]
            nodes, weights = _read_graph(stream)
        most = 13 if self._major() < [8, 4] else 17 if self._major() < [10] else 22
        if header.opset > most:
            return [self.ParserError(f'opset {header.opset} is not supported', -1)]
        for number, node in enumerate(nodes):
            first = inspection.first_version_with(node.op)
            if first is None or [int(p) for p in first.split('.')] > self._major():
                return [self.ParserError(
                    f'No importer registered for op: {node.op}', number)]
        for spec in header.inputs + header.outputs:
            if not hasattr(self.DataType, _TRT_DTYPE[spec.dtype]):
                return [self.ParserError(f'{spec.dtype} is not supported', -1)]
        levels = {spec.name for spec in header.inputs if spec.dtype == 'uint8'}
        for number, node in enumerate(nodes):
            # As TensorRT for RTX 1.7.1 answers.
            if node.op != 'Cast' and levels.intersection(node.inputs):
                return [self.ParserError(
                    f'{node.op}: first input has type UInt8', number)]
        self._fill(network, content, header, nodes, weights)
        return []

    def _fill(self, network, content, header, nodes, weights):
        floats, indices = self.DataType.FLOAT, self.DataType.INT32
        tensors = {}
        network._content = content
        for spec in header.inputs:
            shape = tuple(-1 if size is None else size for size in spec.shape)
            tensors[spec.name] = self.ITensor(spec.name, shape, floats, False)
            network._inputs.append(tensors[spec.name])
        for name, dtype in weights:
            kind = floats if dtype.startswith('float') else indices
            tensors[name] = self.ITensor(name, (), kind, False)
            network._layers.append(self.ILayer(self.LayerType.CONSTANT, [], [tensors[name]]))
        for node in nodes:
            name = _LAYER_OF_OP.get(node.op, 'SHUFFLE')
            is_shape = node.op == 'Shape'
            outputs = []
            for output in node.outputs:
                kind = indices if is_shape else floats
                if name == 'QUANTIZE':
                    kind = self.DataType.INT8
                tensors[output] = self.ITensor(output, (), kind, is_shape)
                outputs.append(tensors[output])
            # Inputs that are not given are None, as from get_input().
            network._layers.append(self.ILayer(
                getattr(self.LayerType, name), [tensors.get(name) for name in node.inputs],
                outputs))
        network._outputs = [tensors[spec.name] for spec in header.outputs]

    def _build(self, network, config):
        self._misbehave(config)
        if 'build_none' in self._faults or (
                'build_none_above_64' in self._faults and config._workspace > 64 << 20):
            return None
        if 'build_none_without_cublas' in self._faults and config._sources is not None \
                and not config._sources & (1 << int(self.TacticSource.CUBLAS)):
            return None
        typed = hasattr(self.NetworkDefinitionCreationFlag, 'STRONGLY_TYPED') and bool(
            network._flags & (1 << int(self.NetworkDefinitionCreationFlag.STRONGLY_TYPED)))
        if self._major() >= [10] and not typed:
            raise RuntimeError('a weakly typed network on TensorRT 10 or later')
        integers = self._integer_layers(network)
        if bool(integers or 'INT8' in config._flags) and typed == ('INT8' in config._flags):
            print('[E] flags do not fit a network with Q/DQ layers', file=sys.stderr, flush=True)
            return None
        header = {
            'int8': sum(not layer._is_pinned() for layer in integers),
            'int8_pinned': sum(layer._is_pinned() for layer in integers),
            'version': self.__version__, 'workspace': config._workspace,
            'sources': config._sources, 'tf32': 'TF32' in config._flags,
            'fp16': 'FP16' in config._flags or b'__fp16' in network._content,
            'garbage': 'FP16' in config._flags and (typed or not self._survives(network, config)),
            'level': getattr(config, 'builder_optimization_level', None)}
        monitor = getattr(config, 'progress_monitor', None)
        if monitor is not None:
            monitor.phase_start('Building Engine', None, 2)
            for step in range(2):
                if not monitor.step_complete('Building Engine', step):
                    return None
            monitor.phase_finish('Building Engine')
        text = json.dumps(header).encode('utf-8')
        return self.IHostMemory(b'FAKEPLAN' + len(text).to_bytes(4, 'little') + text
                                + network._content)

    def _integer_layers(self, network):
        """Return the layers of a network that multiply what comes of a DequantizeLinear."""
        back = {tensor.name for layer in network._layers
                if layer.type is self.LayerType.DEQUANTIZE for tensor in layer._outputs}
        return [layer for layer in network._layers
                if len(layer._inputs) > 1 and layer.type is not self.LayerType.DEQUANTIZE
                and all(tensor is not None and tensor.name in back
                        for tensor in layer._inputs[:2])]

    def _survives(self, network, config):
        kinds = (self.LayerType.SOFTMAX, self.LayerType.REDUCE)
        if 'OBEY_PRECISION_CONSTRAINTS' not in config._flags:
            return False
        outputs = {tensor.name for tensor in network._outputs}
        fragile = [layer for layer in network._layers if layer.type in kinds or any(
            tensor.name in outputs for tensor in layer._outputs)]
        return bool(fragile) and all(layer._is_pinned() for layer in fragile)

    def _misbehave(self, config):
        if 'build_kill' in self._faults:
            print('[E] about to die', file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if 'build_hang' in self._faults:
            time.sleep(600.0)
        while 'build_waits' in self._faults and not os.path.exists(
                os.environ['FAKE_TENSORRT_MARK']):
            time.sleep(0.02)
        if 'build_slow' in self._faults:
            time.sleep(2.0)

    def _deserialize(self, plan):
        faults = self._faults
        if 'deserialize_kill' in faults or (
                'deserialize_kill_parent' in faults and not _is_builder()):
            os.kill(os.getpid(), signal.SIGKILL)
        if 'deserialize_crash' in faults:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGSEGV)
        if 'deserialize_slow' in faults and not _is_builder():
            time.sleep(2.0)
        if 'deserialize_none' in faults:
            return None
        mark = os.environ.get('FAKE_TENSORRT_MARK', '')
        if 'deserialize_none_once' in faults and not os.path.exists(mark):
            with open(mark, 'w', encoding='ascii'):
                return None
        plan = bytes(plan)
        if plan[:8] != b'FAKEPLAN' or len(plan) < 1024:
            return None
        length = int.from_bytes(plan[8:12], 'little')
        header = json.loads(plan[12:12 + length].decode('utf-8'))
        if header['version'] != self.__version__:
            return None
        return self.ICudaEngine(header, plan[12 + length:])

    def _spoil(self, header, values):
        if 'nan' in self._faults:
            return np.full_like(values, np.nan)
        if header['garbage']:
            return np.where(values > 0, np.float32(-512), np.float32(512)).astype(values.dtype)
        wrong_mixed = 'wrong_mixed' in self._faults and header['fp16']
        wrong_int8 = 'wrong_int8' in self._faults and header['int8']
        if wrong_mixed or wrong_int8 or 'wrong' in self._faults:
            # Other classes win in a part of the picture, whatever the layout.
            values = values.copy()
            first = values.reshape(-1)[:values.size // 3]
            first *= -1.0
        return values


def _strict(module, name, implementation, names):
    allowed = set(names)
    members = {}
    for key, value in vars(implementation).items():
        if key.startswith('_') or key in allowed:
            members[key] = value
        elif not any(key in RECORDED[version].get(name, '').split() for version in VERSIONS):
            raise AssertionError(f'{name}.{key} exists in no version')

    def set_checked(self, key, value):
        if not key.startswith('_') and key not in allowed:
            raise AttributeError(f'{name} has no attribute {key!r} in {module.__version__}')
        object.__setattr__(self, key, value)

    members.update(__setattr__=set_checked, _trt=module)
    return type(name, (), members)


def _with_weights(content, path):
    """Return a model with the weights of other files in it; None where these are not found."""
    with tempfile.NamedTemporaryFile(suffix='.onnx') as stream:
        stream.write(content)
        stream.flush()
        try:
            external = read_onnx_header(stream.name).external_files
        except ModelError:
            return content  # the parser itself says what is wrong
    if not external:
        return content
    if path is None:
        return None
    import onnx
    model = onnx.load_model_from_string(content)
    onnx.load_external_data_for_model(model, os.path.dirname(path))
    return model.SerializeToString()


def _read_graph(stream):
    reader = WireReader(stream, 'model')
    graph = next(field for field in reader.fields(0, reader.size) if field.number == 7)
    nodes, weights = [], []
    for field in reader.children(graph):
        if field.number == 1:
            nodes.append(messages.read_node(reader, field))
        elif field.number == 5:
            weight = messages.read_weight(reader, field)
            weights.append((weight.name, weight.dtype))
    return nodes, weights


_module = _Module(os.environ.get('FAKE_TENSORRT_VERSION', VERSIONS[0]),
                  os.environ.get('FAKE_TENSORRT_FAULTS', '').split())
globals().update({key: value for key, value in vars(_module).items()
                  if not key.startswith('_') or key == '__version__'})
DEVICE_ERROR = DeviceError
