# Copyright 2026 segformer_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run a TensorRT engine (8.2 to 11.x)."""

import abc
import contextlib
from typing import (Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple)

import numpy as np
from segformer_ros.common import arrays
from segformer_ros.common.errors import BackendError
from segformer_ros.common.errors import SegformerRosError
from segformer_ros.inference.base import backend
from segformer_ros.inference.cuda.buffers import open_buffers
from segformer_ros.inference.cuda.interface import CudaBuffers
from segformer_ros.inference.cuda.probe import probe_gpu
from segformer_ros.inference.trt import api as tensorrt_api
from segformer_ros.model.spec import TensorSpec


class EngineTensors(NamedTuple):
    """Inputs and outputs of an engine, in its own order."""

    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]


class EngineIo(abc.ABC):
    """Tensors of one engine, and their enqueueing in one execution context."""

    def __init__(self, api: tensorrt_api.TensorrtApi, engine: Any, context: Any) -> None:
        self._dtypes = api.dtypes()
        self._engine = engine
        self._context = context

    def release(self) -> None:
        """Drop engine and context; a traceback may keep this object, but not them."""
        self._context = None
        self._engine = None

    @abc.abstractmethod
    def tensors(self) -> EngineTensors:
        """Return the engine's tensors."""

    @abc.abstractmethod
    def bind(self, addresses: Mapping[str, int]) -> None:
        """Bind each tensor to its place on the GPU. Once, before :meth:`enqueue`."""

    @abc.abstractmethod
    def enqueue(self, stream: int) -> None:
        """
        Queue one inference.

        :raises BackendError: TensorRT refused; a refused call runs nothing, so that the
            outputs would be those of the frame before
        """


class BindingIo(EngineIo):
    """TensorRT 8.2 and 8.4."""

    def __init__(self, api: tensorrt_api.TensorrtApi, engine: Any, context: Any) -> None:
        super().__init__(api, engine, context)
        self._addresses: List[int] = []

    def tensors(self) -> EngineTensors:
        """Return the engine's bindings."""
        inputs: List[TensorSpec] = []
        outputs: List[TensorSpec] = []
        for index in range(self._engine.num_bindings):
            spec = TensorSpec(
                self._engine.get_binding_name(index),
                self._dtypes[self._engine.get_binding_dtype(index)],
                tuple(int(size) for size in self._engine.get_binding_shape(index)))
            (inputs if self._engine.binding_is_input(index) else outputs).append(spec)
        return EngineTensors(tuple(inputs), tuple(outputs))

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Keep the addresses in binding order."""
        self._addresses = [addresses[self._engine.get_binding_name(index)]
                           for index in range(self._engine.num_bindings)]

    def enqueue(self, stream: int) -> None:
        """Queue one inference."""
        if not self._context.execute_async_v2(self._addresses, stream):
            raise _refused('execute_async_v2')


class NamedIo(EngineIo):
    """TensorRT 8.5 and later."""

    def __init__(self, api: tensorrt_api.TensorrtApi, engine: Any, context: Any) -> None:
        super().__init__(api, engine, context)
        self._input_mode = api.module.TensorIOMode.INPUT

    def tensors(self) -> EngineTensors:
        """Return the engine's tensors."""
        inputs: List[TensorSpec] = []
        outputs: List[TensorSpec] = []
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            spec = TensorSpec(
                name, self._dtypes[self._engine.get_tensor_dtype(name)],
                tuple(int(size) for size in self._engine.get_tensor_shape(name)))
            is_input = self._engine.get_tensor_mode(name) == self._input_mode
            (inputs if is_input else outputs).append(spec)
        return EngineTensors(tuple(inputs), tuple(outputs))

    def bind(self, addresses: Mapping[str, int]) -> None:
        """Hand the addresses to the context, which keeps them."""
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise _refused(f'set_tensor_address({name!r})')

    def enqueue(self, stream: int) -> None:
        """Queue one inference."""
        if not self._context.execute_async_v3(stream):
            raise _refused('execute_async_v3')


def engine_io(api: tensorrt_api.TensorrtApi, engine: Any, context: Any) -> EngineIo:
    """Return the way that this TensorRT names tensors."""
    if api.named_tensors:
        return NamedIo(api, engine, context)
    return BindingIo(api, engine, context)


def _refused(call: str) -> BackendError:
    return BackendError(f'TensorRT refused {call}', got='False', expected='True',
                        remedy='TensorRT prints the reason to the terminal, above.')


class EngineLoadError(BackendError):
    """TensorRT did not take a plan: it is damaged, or was built elsewhere."""


class RuntimeSettings(NamedTuple):
    """
    How engines are run.

    ``buffers`` is ``auto`` or a name of ``cuda.buffers.LIBRARIES``. ``cuda_graph`` replays copies
    and kernels as one recorded graph: less CPU work per frame where launching dominates; ``auto``
    then passes over libraries that have no graphs.
    ``probe`` asks the driver for a GPU first; tests without one turn it off.
    """

    tensorrt_module: str = tensorrt_api.MODULE
    device_index: int = 0
    buffers: str = 'auto'
    cuda_graph: bool = False
    probe: bool = True


DEFAULT_RUNTIME = RuntimeSettings()


class EngineFile(NamedTuple):
    """A plan on disk: ``read`` returns its checked bytes, ``precision`` is what was built."""

    path: str
    precision: str
    read: Callable[[], bytes]
    details: Dict[str, str]


class TensorrtBackend(backend.Backend):
    """
    One engine with its buffers.

    Opening probes for a GPU, imports TensorRT, retains the GPU's primary context, allocates
    every buffer, and runs once. A frame allocates nothing: pinned host arrays, one stream,
    asynchronous copies, one wait. Where runs overlap with other work, results alternate between
    two sets of host arrays. All calls come from one thread.

    :param engine: what to load
    :param settings: how to run it
    """

    def __init__(self, engine: EngineFile,
                 settings: RuntimeSettings = DEFAULT_RUNTIME) -> None:
        super().__init__()
        self._file = engine
        self._settings = settings
        self._buffers: Optional[CudaBuffers] = None
        self._session: Optional[_Session] = None

    def _open(self) -> backend.Opened:
        device = 'not probed'
        if self._settings.probe:
            device = str(probe_gpu(self._settings.device_index))
        api = tensorrt_api.load_tensorrt(self._settings.tensorrt_module)
        plan = self._file.read()
        try:
            self._buffers = open_buffers(self._settings.device_index, self._settings.buffers,
                                         self._settings.cuda_graph)
            with self._buffers.current():
                self._session = _Session(api, plan, self._file.path, self._buffers)
                if self._settings.cuda_graph:
                    self._session.record()
        except Exception as error:
            self._close()
            if isinstance(error, SegformerRosError):
                raise
            # pycuda has exceptions of its own.
            raise BackendError('The engine cannot be opened',
                               got=f'{type(error).__name__}: {error}') from error
        details = {'buffers': self._buffers.description,
                   'cuda_graph': 'on' if self._settings.cuda_graph else 'off',
                   'device_memory_mib': f'{self._session.device_memory / 2 ** 20:.1f}'}
        details.update(self._file.details)
        return backend.Opened(
            self._session.tensors.inputs, self._session.tensors.outputs,
            backend.BackendInfo(name='tensorrt', version=api.version, device=device,
                                precision=self._file.precision, model_path=self._file.path,
                                details=details))

    @property
    def overlaps(self) -> bool:
        """Return whether a run leaves the CPU free; a recorded graph has one place for results."""
        return not self._settings.cuda_graph

    def _infer(self, inputs: Mapping[str, arrays.Array]) -> Dict[str, arrays.Array]:
        with self._session_for(inputs) as session:
            session.run()
        return session.results

    def _begin(self, inputs: Mapping[str, arrays.Array]) -> None:
        with self._session_for(inputs) as session:
            session.begin()

    def _end(self) -> Dict[str, arrays.Array]:
        with self._session_for({}) as session:
            session.wait()
        return session.results

    @contextlib.contextmanager
    def _session_for(self, inputs: Mapping[str, arrays.Array]) -> 'Iterator[_Session]':
        """Lend the session with the context current and the inputs in place."""
        if self._buffers is None or self._session is None:
            raise BackendError('The engine is closed')
        for name, array in inputs.items():
            np.copyto(self._session.host[name], array)
        try:
            with self._buffers.current():
                yield self._session
        except SegformerRosError:
            raise
        except Exception as error:
            raise BackendError('The GPU failed', got=f'{type(error).__name__}: {error}') from error

    def _close(self) -> None:
        buffers, self._buffers = self._buffers, None
        session, self._session = self._session, None
        if buffers is None:
            return
        try:
            if session is not None:
                with buffers.current():
                    session.release()
        finally:
            buffers.close()


class _Session:
    """TensorRT's objects and the arrays of one engine, made while the context is current."""

    def __init__(self, api: tensorrt_api.TensorrtApi, plan: bytes, path: str,
                 buffers: CudaBuffers) -> None:
        self._buffers = buffers
        # TensorRT keeps the logger's address, not a reference: it must outlive the rest.
        self._logger: Any = api.module.Logger()
        self._runtime: Any = api.module.Runtime(self._logger)
        self._engine: Any = None
        self._context: Any = None
        self._io: Any = None
        self._in_work = False
        try:
            self._load(api, plan, path)
        except BaseException:
            # Here, while the context is current: the traceback would keep the engine alive.
            self.release()
            raise

    def _load(self, api: tensorrt_api.TensorrtApi, plan: bytes, path: str) -> None:
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineLoadError(
                f'TensorRT {api.version} did not take the engine', got=path,
                remedy='It was built by another version or is damaged: build it again.')
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise BackendError('No execution context',
                               got=f'{self._buffers.memory().free >> 20} MiB of free GPU memory',
                               remedy='Free memory on the robot.')
        self._io = engine_io(api, self._engine, self._context)
        self.tensors: EngineTensors = self._io.tensors()
        self.device_memory = _device_memory(self._engine)
        self.host: Dict[str, arrays.Array] = {}
        self._addresses: Dict[str, int] = {}
        for spec in self.tensors.inputs + self.tensors.outputs:
            shape = tuple(size for size in spec.shape if size is not None)
            self.host[spec.name] = self._buffers.pinned(shape, spec.dtype)
            self.host[spec.name].fill(0)
            self._addresses[spec.name] = self._buffers.allocate(self.host[spec.name].nbytes)
        self.results = {spec.name: self.host[spec.name] for spec in self.tensors.outputs}
        self._spare: Dict[str, arrays.Array] = {}
        self._io.bind(self._addresses)
        self._launch: Callable[[], None] = self._queue
        # The first run loads kernels; a CUDA graph may only be recorded after one.
        self.run()

    def record(self) -> None:
        """Replay what a frame queues as a CUDA graph from now on."""
        self._launch = self._buffers.capture(self._queue)
        self.run()

    def run(self) -> None:
        """Copy in, compute, copy out, wait."""
        self._in_work = True
        self._launch()
        self.wait()

    def begin(self) -> None:
        """Queue a run whose results do not overwrite those of the one before."""
        if not self._spare:
            self._spare = {name: self._buffers.pinned(array.shape, str(array.dtype))
                           for name, array in self.results.items()}
        self.results, self._spare = self._spare, self.results
        self._in_work = True
        self._launch()

    def wait(self) -> None:
        """Wait until everything queued is done."""
        self._buffers.synchronize()
        self._in_work = False

    def _queue(self) -> None:
        for spec in self.tensors.inputs:
            self._buffers.copy_to_device(self._addresses[spec.name], self.host[spec.name])
        self._io.enqueue(self._buffers.stream)
        for name, array in self.results.items():
            self._buffers.copy_to_host(array, self._addresses[name])

    def release(self) -> None:
        """Drop TensorRT's objects; each uses the next one until it is gone."""
        try:
            if self._in_work:
                # The frame before this one may be what failed: its run goes on using all of it.
                self.wait()
        finally:
            if self._io is not None:
                self._io.release()
            self._context = None
            self._engine = None
            self._runtime = None


def _device_memory(engine: Any) -> int:
    # The 32-bit figure is gone in 11, the 64-bit one came with 10.
    if hasattr(engine, 'device_memory_size_v2'):
        return int(engine.device_memory_size_v2)
    return int(engine.device_memory_size)
