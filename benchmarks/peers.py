"""Other ways to classify a folder of films with the same network, each as its users write it.

    python benchmarks/peers.py keras|loop|ultralytics|timm RUN FOLDER

Reads every film of a folder, classifies it in batches of 16 and prints how many there were. They
make no row for what cannot be read, look at no orientation, and clip 16 bits; what they cost is
what is asked here. `throughput.py` times them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

BATCH = 16
EIGHT_BITS = frozenset({"small-jpeg", "large-jpeg", "png"})


def keras(run: Path, folder: Path) -> int:
    """Keras `predict` over `image_dataset_from_directory`, with the run's own `model.keras`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    model = keras.models.load_model(run / "model.keras", compile=False)
    height, width = model.inputs[0].shape[1:3]
    films = keras.utils.image_dataset_from_directory(
        *(folder, None),
        color_mode="grayscale",
        image_size=(height, width),
        batch_size=BATCH,
        shuffle=False,
        verbose=False,
    )
    answers = model.predict(films, verbose=0)
    return len(next(iter(answers.values())) if isinstance(answers, dict) else answers)


def loop(run: Path, folder: Path) -> int:
    """onnxruntime in a loop, films opened with Pillow one after the other."""
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession(_file_of(run), providers=["CPUExecutionProvider"])
    height, width = session.get_inputs()[0].shape[1:3]
    name = session.get_outputs()[0].name
    paths = sorted(folder.iterdir())
    done = 0
    for begin in range(0, len(paths), BATCH):
        films = [
            np.asarray(Image.open(path).convert("L").resize((width, height), Image.BILINEAR))
            for path in paths[begin : begin + BATCH]
        ]
        done += len(session.run([name], {"films": np.stack(films)[..., None]})[0])
    return done


def ultralytics(run: Path, folder: Path) -> int:
    """Ultralytics `predict` with the exported graph, which gets the input that it feeds."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "model.onnx")
        size = save_for_ultralytics(_file_of(run), file)
        how = {"imgsz": size, "batch": BATCH, "stream": True, "verbose": False}
        return sum(1 for _ in YOLO(file, task="classify").predict(str(folder), **how))


def save_for_ultralytics(source: str, target: Path) -> tuple[int, int]:
    """The graph with a front that takes float32 ``[batch, 3, H, W]`` in 0 to 1, its answers alone.

    Of three equal channels the first is enough; the metadata are those that Ultralytics writes.
    Returns height and width.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(source)
    graph = model.graph
    films, answers = graph.input[0], graph.output[0]
    height, width = (d.dim_value for d in films.type.tensor_type.shape.dim[1:3])
    classes = answers.type.tensor_type.shape.dim[1].dim_value
    numbers = {"begin": np.array([0]), "end": np.array([1]), "most": np.array(255, np.float32)}
    front = [
        helper.make_node("Slice", ["images", "begin", "end", "end"], ["grey"]),
        helper.make_node("Mul", ["grey", "most"], ["scaled"]),
        helper.make_node("Round", ["scaled"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], [films.name], perm=[0, 2, 3, 1]),
    ]
    images = ("images", TensorProto.FLOAT, ["batch", 3, height, width])
    around = helper.make_graph(
        [*front, *graph.node],
        graph.name,
        [helper.make_tensor_value_info(*images)],
        [answers],
        [*(numpy_helper.from_array(a, name) for name, a in numbers.items()), *graph.initializer],
    )
    graph.CopyFrom(around)
    about = {
        "task": "classify",
        "names": str({number: str(number) for number in range(classes)}),
        "imgsz": str([height, width]),
        "stride": "1",
        "batch": str(BATCH),
        "channels": "3",
        "args": str({"batch": BATCH, "dynamic": True}),
    }
    helper.set_model_props(model, about)
    onnx.save(model, target)
    return height, width


def timm(run: Path, folder: Path) -> int:
    """The same backbone of timm, with random weights, behind a torch data loader."""
    import timm
    import torch
    from PIL import Image
    from torchvision import transforms

    del run
    model = timm.create_model("resnet50", num_classes=2).eval()
    steps = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])

    class Films(torch.utils.data.Dataset):
        paths = sorted(folder.iterdir())

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, number: int) -> torch.Tensor:
            return steps(Image.open(self.paths[number]).convert("RGB"))

    done = 0
    with torch.inference_mode():
        for films in torch.utils.data.DataLoader(Films(), BATCH, num_workers=2):
            done += len(model(films))
    return done


@dataclass(frozen=True)
class Peer:
    """A way, the packages that it needs, and the kinds of films that it reads right."""

    classify: Callable[[Path, Path], int]
    needs: tuple[str, ...]
    reads: frozenset[str] = EIGHT_BITS


PEERS = {
    "keras": Peer(keras, ("keras",)),
    "loop": Peer(loop, ("onnxruntime",)),
    "ultralytics": Peer(ultralytics, ("ultralytics", "onnx")),
    "timm": Peer(timm, ("timm", "torch", "torchvision")),
}


def missing(name: str) -> str:
    """Why a peer cannot run here; empty where it can."""
    lacking = [p for p in PEERS[name].needs if importlib.util.find_spec(p) is None]
    return f"{', '.join(lacking)} not installed" if lacking else ""


def _file_of(run: Path) -> str:
    return str(run / "model.onnx" if run.is_dir() else run)


if __name__ == "__main__":
    print(PEERS[sys.argv[1]].classify(Path(sys.argv[2]), Path(sys.argv[3])))
