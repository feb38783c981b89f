"""A batch's buffers, kept where the model computes from one batch to the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Binding:
    """Buffers for batches of one shape; one thread's at a time.

    Without them onnxruntime makes room on the device for every batch anew.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    given : str
        Name of the input, uint8.
    outputs : sequence of str
    shape : tuple of int
        Of every batch.
    device : str
        ``cpu`` or ``cuda:N``.
    """

    def __init__(
        self,
        session: Any,
        given: str,
        outputs: Sequence[str],
        shape: tuple[int, ...],
        device: str,
    ) -> None:
        import numpy as np
        import onnxruntime as ort

        kind, _, number = device.partition(":")
        place = kind, int(number or 0)
        self._session = session
        self._films = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.uint8, *place)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(given, self._films)
        for name in outputs:
            self._binding.bind_output(name, *place)

    def run(self, batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The outputs for a batch of the shape, in their order; arrays of their own."""
        self._films.update_inplace(batch)
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()
        return [output.copy() for output in self._binding.copy_outputs_to_cpu()]
