"""The foreign network as it came, with films prepared by hand: what the new file must answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xraybatch.core.cores import available_cores
from xraybatch.core.errors import ModelError
from xraybatch.core.tasks import TaskKind
from xraybatch.training.adoption.asked import LOG_PROBABILITIES, LOGITS, RANGES
from xraybatch.training.adoption.decide import Plan
from xraybatch.training.adoption.foreign import plain
from xraybatch.training.adoption.graph import Facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOWHERE = "/nowhere/no weights outside the model file"
_ELSEWHERE = "session.model_external_initializers_file_folder_path"


def prepare(films: NDArray[np.uint8], plan: Plan, kind: str) -> NDArray[Any]:
    """What the network wants to see, made in numpy.

    Parameters
    ----------
    films : ndarray of uint8, shape (n, rule.height, rule.width, 1)
    plan : Plan
    kind : str
        The numbers that the network takes, as numpy calls them.

    Returns
    -------
    ndarray, shape (n, C, H, W) or (n, H, W, C)
    """
    top = round((films.shape[1] - plan.height) / 2)
    left = round((films.shape[2] - plan.width) / 2)
    seen = films[:, top : top + plan.height, left : left + plan.width]
    by, plus = RANGES[plan.range]
    values: NDArray[Any] = seen.astype(np.float32) / np.float32(by) + np.float32(plus)
    values = np.repeat(values, plan.channels, axis=3)
    if plan.mean:
        values = values - np.array(plan.mean, np.float32)
    if plan.std:
        values = values / np.array(plan.std, np.float32)
    if plan.layout == "nchw":
        values = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(values.astype(kind))


def probabilities(answers: NDArray[np.float32], plan: Plan) -> NDArray[np.float32]:
    """What a task's output holds, from the network's own answers, made in numpy.

    Parameters
    ----------
    answers : ndarray of float32, shape (n, K), or (n, 1) of a binary task

    Returns
    -------
    ndarray of float32, shape (n, K)
    """
    values = answers.astype(np.float64)
    single = plan.task.kind is TaskKind.BINARY and values.shape[1] == 1
    if plan.answers == LOG_PROBABILITIES:
        values = np.exp(values)
    elif plan.answers == LOGITS and (single or plan.task.kind is TaskKind.MULTILABEL):
        values = np.where(values >= 0, 1, np.exp(np.minimum(values, 0))) / (
            1 + np.exp(-np.abs(values))
        )
    elif plan.answers == LOGITS:
        values = np.exp(values - values.max(axis=1, keepdims=True))
        values /= values.sum(axis=1, keepdims=True)
    if single:
        values = np.concatenate([1 - values, values], axis=1)
    return values.astype(np.float32)


class Network:
    """A foreign graph on the CPU.

    Parameters
    ----------
    content : bytes
        The ONNX file.
    file : str
        Its name, for sentences.
    facts : Facts
        Of its graph.

    Raises
    ------
    ModelError
        If onnxruntime cannot load it.
    """

    def __init__(self, content: bytes, file: str, facts: Facts) -> None:
        self._file, self._facts = file, facts
        self._session = open_graph(content, file)

    def answers(self, pictures: NDArray[Any], batch: int) -> NDArray[np.float32]:
        """Answers to prepared pictures, `batch` at a time; their number is a multiple of it.

        Returns
        -------
        ndarray of float32, shape (n, K)

        Raises
        ------
        ModelError
            If it fails, or answers otherwise than one row a picture.
        """
        assert self._facts.output is not None
        parts = []
        for begin in range(0, len(pictures), batch):
            given = {self._facts.input: pictures[begin : begin + batch]}
            try:
                answer = self._session.run([self._facts.output], given)[0]
            except Exception as error:
                raise ModelError(
                    f"{self._file} does not run: {plain(str(error))}",
                    "Is the size right that it was given? See `xraybatch adopt --help`.",
                ) from error
            answer = np.asarray(answer)
            if answer.ndim == 0 or len(answer) != batch or answer.dtype.kind != "f":
                raise ModelError(
                    f"{self._file} answers {batch} pictures with {answer.dtype} of shape "
                    f"{list(answer.shape)}, not with one row of numbers for each.",
                    "Name another output with --output, or export the network's scores.",
                )
            parts.append(answer.reshape(batch, -1).astype(np.float32))
        return np.concatenate(parts)


def open_graph(content: bytes, file: str) -> Any:
    """An onnxruntime session on the CPU that reads no other file.

    Raises
    ------
    ModelError
        If it cannot be loaded.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = available_cores()
    options.add_session_config_entry(_ELSEWHERE, _NOWHERE)
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"onnxruntime {ort.__version__} cannot load {file}: {plain(str(error))}",
            "Export it again with opset 17, or install a newer onnxruntime.",
        ) from error
