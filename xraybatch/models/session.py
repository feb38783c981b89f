"""A model on a device: films in, probabilities out, always in batches of one shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import BoundedSemaphore, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from xraybatch.core.cores import available_cores
from xraybatch.core.counting import counted
from xraybatch.core.errors import ModelError, UsageError
from xraybatch.core.interrupts import in_order
from xraybatch.models.binding import Binding
from xraybatch.models.devices import CPU, CUDA, check_provider, resolve_device
from xraybatch.models.graph import open_graph
from xraybatch.models.model import Model
from xraybatch.models.processor import cpu_name
from xraybatch.models.selftest import passes, session_difference, wrong_device, wrong_graph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUT = "films"
EMBEDDING = "embedding"  # the output that is no answer to a task
BATCH = {CPU: 16, CUDA: 32}
_ON_A_GPU = 2  # batches at once


class Session:
    """A checked model, ready to classify films on one device.

    Parameters
    ----------
    model : Model
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size : int, optional
        Films a batch, 2 or more; 16 on a CPU and 32 on a GPU by default. The last batch is padded:
        onnxruntime takes another way for batches of one film, so one shape gives one result.
    threads : int, optional
        Threads that compute; as many as this process may use cores by default. One batch gets at
        most as many as it has films. Not used on a GPU.
    abreast : int
        Batches that a CPU computes at once, at most `threads`: one by all threads is done soonest,
        several wait less for each other's threads. The answers are the same. Not used on a GPU.
    bound : bool, optional
        Whether buffers stay on the device from batch to batch; on a GPU by default.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda:N``: where it really runs.
    note : str
        A fallback that a person should hear of; empty where there was none.
    batch_size : int
    threads : int
        That compute on a CPU, those of the callers among them.
    in_flight : int
        Callers of `predict` at once that keep the device busy.
    self_test_difference : float or None
        How far the answers to the synthetic films were from the card's; None: it holds none.

    Raises
    ------
    ModelError
        If the graph cannot be loaded, asks for anything but films of the rule's size or lacks a
        task's output; if the device cannot be had; if the self-test fails.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        batch_size: int | None = None,
        threads: int | None = None,
        abreast: int = 1,
        bound: bool | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 2:
            raise UsageError(
                "A batch of one film is computed in another way than larger ones.",
                "Use --batch-size 2 or more; any number of films can be classified with it.",
            )
        request = resolve_device(device)
        self._model = model
        # each of those abreast computes with its caller's thread, the others help whom they can;
        # with more threads than films onnxruntime adds in another order
        helped = min((threads or available_cores()) - abreast + 1, batch_size or BATCH[CPU])
        self._session = open_graph(model, request.providers, max(1, helped))
        self.threads = abreast + max(1, helped) - 1
        real = self._session.get_providers()[0]
        self.note = check_provider(request, real)
        number = request.providers[0][1].get("device_id", 0)
        self.device = "cpu" if real == CPU else f"cuda:{number}"
        self._check_graph()
        self._bound = real == CUDA if bound is None else bound
        # the next batch waits for cores, not for our own work
        self._turns = BoundedSemaphore(abreast) if real == CPU else None
        # as many wait as compute, so that no core stands still while answers are written down
        self.in_flight = 2 * abreast if real == CPU else _ON_A_GPU
        # those that no thread uses now, by outputs and batch size
        self._bindings: defaultdict[tuple[object, ...], list[Binding]] = defaultdict(list)
        self.batch_size = batch_size or BATCH[real]
        if real == CUDA:
            self._halve_until_it_fits()
        self.self_test_difference = session_difference(model.card, self.predict)
        if not passes(model.card, self.self_test_difference):
            assert self.self_test_difference is not None
            if self.device != "cpu":
                Session(model, device="cpu", threads=threads)  # raises if the graph is to blame
                raise wrong_device(model.card, self.self_test_difference, self.device)
            raise wrong_graph(model.card, self.self_test_difference, model.broken_seal)

    @property
    def processor(self) -> str:
        """What computes, and rounds: the CPU's architecture and name, or the GPU's name and batch.

        A CPU gives the same bits for batches of any size.
        """
        if self.device == "cpu":
            return cpu_name()
        from xraybatch.models.doctor.nvidia import read_driver

        driver, number = read_driver(), int(self.device.partition(":")[2])
        gpus = () if driver is None else driver.gpus
        name = gpus[number].name if number < len(gpus) else "unknown GPU"
        return f"{name}, batches of {self.batch_size}"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the model's tasks, in the card's order."""
        return tuple(entry.task.name for entry in self._model.card.tasks)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of everything that the graph can answer, ``cam.<task>`` among it."""
        return tuple(output.name for output in self._session.get_outputs())

    def embedding_width(self) -> int:
        """How many numbers the embedding of a film has.

        Raises
        ------
        ModelError
            If the graph gives no embedding of the shape ``[batch, D]``.
        """
        import numpy as np

        if EMBEDDING not in self.outputs:
            raise ModelError(
                f"{self._model.path.name} gives no embeddings: its graph has no output "
                f"'{EMBEDDING}'.",
                "Leave --embeddings out, or take a model that `xraybatch train` made.",
            )
        rule = self._model.card.rule
        films = np.zeros((self.batch_size, rule.height, rule.width, 1), np.uint8)
        shape = self.predict(films, [EMBEDDING])[EMBEDDING].shape
        if len(shape) != 2 or shape[0] != len(films):
            raise ModelError(
                f"{self._model.path.name} answers {len(films)} films with embeddings of shape "
                f"{list(shape)}, not one row each.",
                "Leave --embeddings out, or export the model again.",
            )
        return int(shape[1])

    def predict(
        self, films: NDArray[np.uint8], outputs: Sequence[str] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Classify films.

        Parameters
        ----------
        films : ndarray of uint8, shape (n, height, width, 1) or (n, height, width)
        outputs : sequence of str, optional
            Names of graph outputs; the tasks by default.

        Returns
        -------
        dict of str to ndarray of float32, shape (n, K)
            Probabilities by task, as the graph gives them.
        """
        import numpy as np

        names = list(outputs or self.tasks)
        if films.ndim == 3:
            films = films[..., None]
        parts: list[list[Any]] = []
        for begin in range(0, len(films), self.batch_size):
            batch = films[begin : begin + self.batch_size]
            count = len(batch)
            if count < self.batch_size:
                padded = np.zeros((self.batch_size, *batch.shape[1:]), np.uint8)
                padded[:count] = batch
                batch = padded
            with self._turn():
                answers = self._answers(names, np.ascontiguousarray(batch))
            parts.append([answer[:count] for answer in answers])
        if not parts:
            return {name: np.empty((0, 0), np.float32) for name in names}
        return {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}

    def _turn(self) -> AbstractContextManager[object]:
        """A thread's turn; the main one, from which Ctrl-C could take it for ever, needs none."""
        if self._turns is None or current_thread() is main_thread():
            return nullcontext()
        return self._turns

    def _answers(self, names: list[str], batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            return self._run(names, batch)
        except Exception as error:
            if self.device == "cpu":
                raise
            raise ModelError(
                f"{self.device} stopped computing: {str(error).splitlines()[0][:200]}",
                "The same command goes on from there; where its memory was short, with a smaller "
                f"--batch-size than {self.batch_size}.",
            ) from error

    def _run(self, names: list[str], batch: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        if not self._bound:
            return list(self._session.run(names, {INPUT: batch}))
        unused = self._bindings[(*names, len(batch))]
        try:
            binding = unused.pop()  # of another thread there may be one more
        except IndexError:
            binding = Binding(self._session, INPUT, names, batch.shape, self.device)
        try:
            return binding.run(batch)
        finally:
            unused.append(binding)

    def _check_graph(self) -> None:
        rule = self._model.card.rule
        inputs = {i.name: (i.type, i.shape[1:]) for i in self._session.get_inputs()}
        if inputs != {INPUT: ("tensor(uint8)", [rule.height, rule.width, 1])}:
            raise ModelError(
                f"The graph asks for {inputs}, not for uint8 films of "
                f"{rule.height}x{rule.width} as its card says.",
                "Export the model again.",
            )
        given = {o.name: o.shape for o in self._session.get_outputs()}
        for entry in self._model.card.tasks:
            shape = given.get(entry.task.name)
            if shape is None or shape[-1] != len(entry.task.classes):
                raise ModelError(
                    f"The graph's output for task '{entry.task.name}' is {shape}, but the card "
                    f"names {counted(len(entry.task.classes), 'class')}.",
                    "Export the model again.",
                )

    def _halve_until_it_fits(self) -> None:
        """Try as many batches at once as there will be, and smaller ones until they fit."""
        import numpy as np

        rule = self._model.card.rule
        while True:
            films = np.zeros((self.batch_size, rule.height, rule.width, 1), np.uint8)
            try:
                run = partial(self._run, list(self.tasks))
                list(in_order(run, [films] * self.in_flight, self.in_flight))
                return
            except Exception as error:
                if self.batch_size <= 2 or "alloc" not in str(error).lower():
                    raise ModelError(
                        f"The model does not run on {self.device}: {str(error).splitlines()[0]}",
                        "Use --device cpu.",
                    ) from None
                self._bindings.clear()
                self.batch_size //= 2
                self.note = f"The GPU's memory holds batches of {self.batch_size} films only."
