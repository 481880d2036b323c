"""Runs an ONNX graph: the one place where onnxruntime is spoken to.

A pool serves many predictions side by side, so a graph takes one thread and does not spin while it waits; a row costs
microseconds, which no second thread would shorten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy
import onnxruntime  # pyright: ignore[reportMissingTypeStubs] -- it comes without types
from numpy.typing import NDArray

from models.base import SternwayError


class GraphRefused(SternwayError):
    """The bytes are no graph that can be run."""


class _Session(Protocol):
    """What is used of ``onnxruntime.InferenceSession``, which comes without types."""

    def run(self, output_names: Sequence[str], input_feed: dict[str, Any]) -> list[NDArray[numpy.float64]]: ...
    def get_inputs(self) -> Sequence[Any]: ...
    def get_outputs(self) -> Sequence[Any]: ...


class Inference:
    """A graph with one input ``[rows, inputs]`` of floats, and one output ``[rows, outputs]`` in double precision."""

    __slots__ = ("_input", "_outputs", "_session", "inputs", "outputs")

    def __init__(self, graph: bytes, kind: type[numpy.floating]) -> None:
        """*kind*: of the rows. Raises :class:`GraphRefused`."""
        self._session = _session(graph)
        takes, gives = self._session.get_inputs(), self._session.get_outputs()
        found, wanted = [each.type for each in (*takes, *gives)], [_TYPES[kind], _TYPES[numpy.float64]]
        if found != wanted:
            raise GraphRefused(
                f"the graph goes from and to {', '.join(found)}, and must go from {' to '.join(wanted)}: it was "
                "written by another version; export the model again"
            )
        self._input: str = takes[0].name
        self._outputs: list[str] = [gives[0].name]
        self.inputs: int = takes[0].shape[1]
        self.outputs: int = gives[0].shape[1]

    def __call__(self, rows: NDArray[Any]) -> NDArray[numpy.float64]:
        """*rows* in the precision that the graph takes."""
        return self._session.run(self._outputs, {self._input: rows})[0]


_TYPES: dict[type[numpy.floating], str] = {numpy.float32: "tensor(float)", numpy.float64: "tensor(double)"}


def _session(graph: bytes) -> _Session:
    options = cast(Any, onnxruntime).SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return cast(Any, onnxruntime).InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no narrower base class
        raise GraphRefused(f"onnxruntime cannot load the graph: {error}; export the model again") from error
