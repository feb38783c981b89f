"""The graph of a model in onnxruntime, set so that the same films get the same bits."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from xraybatch.core.errors import ModelError
from xraybatch.models.devices import CUDA
from xraybatch.models.model import Model
from xraybatch.models.processor import has_vnni

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# where onnxruntime looks for weights that lie in other files, which no seal covers: nowhere
_ELSEWHERE = "session.model_external_initializers_file_folder_path"
_NOWHERE = "/nowhere/no weights outside the model file"
# without VNNI products of 8 bits are added in 16, which may overflow: take the exact, slower way
_EXACT = ("session.x64quantprecision", "1")
# decoding wants the cores that threads with nothing to do spin on
_BRIEFLY = ("session.intra_op.spin_duration_us", "50")


def open_graph(
    model: Model, providers: Sequence[tuple[str, dict[str, Any]]], threads: int
) -> InferenceSession:
    """Load a model's graph.

    Parameters
    ----------
    model : Model
    providers : sequence of (str, dict)
        Of onnxruntime, with their options; the first that can be had computes.
    threads : int
        Of one batch on a CPU, the caller's among them.

    Raises
    ------
    ModelError
        If onnxruntime cannot load it, or it keeps weights in other files.
    """
    import onnxruntime as ort

    if hasattr(ort, "disable_telemetry_events"):  # builds for Windows do not read the variable
        ort.disable_telemetry_events()
    if any(name == CUDA for name, _ in providers) and hasattr(ort, "preload_dlls"):
        with redirect_stdout(io.StringIO()):  # it prints what it does not find
            ort.preload_dlls()
    options = ort.SessionOptions()
    options.log_severity_level = 4  # 3 prints a GPU fallback, which is said in our own words
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.add_session_config_entry(_ELSEWHERE, _NOWHERE)
    options.add_session_config_entry(*_BRIEFLY)
    if not has_vnni():
        options.add_session_config_entry(*_EXACT)
    # fixed: another level gives other bits
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    try:
        return ort.InferenceSession(model.content, options, providers=list(providers))
    except Exception as error:
        reason = str(error).splitlines()[0][:200]
        if _NOWHERE in str(error):
            raise ModelError(
                f"{model.path.name} keeps weights in other files, which no seal covers.",
                "Save it again as one file: onnx.save(model, path, save_as_external_data=False).",
            ) from None
        raise ModelError(
            f"onnxruntime cannot load {model.path.name}: {reason}",
            "Copy the model again, or install the onnxruntime version that its card names.",
        ) from None
