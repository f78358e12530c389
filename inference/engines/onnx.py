"""ONNX Runtime: tensors in, tensors out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as raised

from inference.weights import ModelFiles
from kadr.contracts.errors import ModelFailure, ModelUnavailable

PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
UNREADABLE = (raised.InvalidProtobuf, raised.InvalidGraph, raised.NoModel, raised.NotImplemented, raised.Fail)
FAILED = (raised.Fail, raised.RuntimeException, raised.EPFail, raised.EngineError, MemoryError)


def load(files: ModelFiles, threads: int, device: str = "cpu") -> ort.InferenceSession:
    """A session on ``threads`` threads of its own. Raises ModelUnavailable when the file is not a usable model."""
    path = files.main
    try:
        return ort.InferenceSession(str(path), _options(threads), providers=_providers(device))
    except MemoryError as error:
        raise ModelFailure(f"{files.card.name}: out of memory while loading {path}") from error
    except UNREADABLE as error:
        raise ModelUnavailable(f"{files.card.name}: ONNX Runtime cannot open {path}: {error}") from error


def _providers(device: str) -> list[str]:
    wanted = PROVIDERS.get(device, [device])
    if wanted[0] not in ort.get_available_providers():
        raise ModelUnavailable(f"device {device!r}: this ONNX Runtime has {ort.get_available_providers()}")
    return wanted


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    # An arena never gives back what the largest picture took: without one `standard` holds two thirds of the memory.
    options.enable_cpu_mem_arena = False
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A pool that spins between batches takes the cores from the other models of the process.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def run(
    native: ort.InferenceSession, files: ModelFiles, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Arrays by the card's input names to arrays by its output names. Raises ValueError for arrays that do not fit."""
    card = files.card
    _check(card.name, {t.name: (t.dtype, len(t.shape)) for t in card.inputs}, inputs)
    names = [t.name for t in card.outputs]
    try:
        made: list[Any] = native.run(names, {n: np.ascontiguousarray(a) for n, a in inputs.items()})
    except FAILED as error:
        raise ModelFailure(f"{card.name}: ONNX Runtime failed: {error}") from error
    return dict(zip(names, made, strict=True))


def _check(model: str, expected: dict[str, tuple[str, int]], inputs: Mapping[str, np.ndarray]) -> None:
    given = {name: (array.dtype.name, array.ndim) for name, array in inputs.items()}
    if given != expected:
        raise ValueError(f"{model}: takes (dtype, dimensions) {expected}, was given {given}")
