"""Write the foreign models beside this file, with the real exporters, and what these say to films.

Not part of the tests, which read what it wrote: the exporters are large and not among our
dependencies. Run it in an environment of its own, with what ``answers.json`` names:

    pip install torch torchvision timm ultralytics onnx onnxscript onnxruntime
    python tests/training/foreign/make.py

The networks are tiny and have random weights; their last layer is scaled so that answers differ
from film to film. ``answers.json`` holds the probabilities that the framework itself gives, films
prepared by the framework's own transforms.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import timm
import timm.data
import torch
import torchvision
from PIL import Image
from torchvision.transforms import v2
from ultralytics import YOLO

HERE = Path(__file__).parent
SIDE = 64
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

_TINY_YOLO = """
nc: 2
scales:
  n: [0.33, 0.25, 64]
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 1, C2f, [128, True]]
head:
  - [-1, 1, Classify, [nc]]
"""


def films() -> list[Image.Image]:
    """Six films of blocks and noise: four of the network's size, one wider and one taller.

    These two scale to whole pixels; else frameworks cut the middle out at a whole pixel, xraybatch
    at a fraction of one."""
    rng = np.random.default_rng(7)
    found = []
    for height, width in [(SIDE, SIDE)] * 4 + [(80, 120), (120, 96)]:
        blocks = rng.integers(0, 256, (8, 8), np.uint8)
        rows, columns = np.arange(height) * 8 // height, np.arange(width) * 8 // width
        noise = rng.integers(-8, 9, (4, 4))[np.arange(height) % 4][:, np.arange(width) % 4]
        pixels = blocks[rows][:, columns].astype(int) + noise
        found.append(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))
    return found


@torch.no_grad()
def settle(network: torch.nn.Module, last: torch.nn.Linear, tensors: torch.Tensor) -> None:
    """Running statistics of the films, and a last layer whose answers differ between them."""
    network.train()
    for _ in range(40):
        network(tensors)
    network.eval()
    logits = torch.nn.functional.linear
    reached: list[torch.Tensor] = []
    handle = last.register_forward_hook(lambda _, given, __: reached.append(given[0]))
    network(tensors)
    handle.remove()
    spread = logits(reached[0], last.weight).std(dim=0).mean()
    last.weight *= 2 / spread
    last.bias -= logits(reached[0], last.weight, last.bias).mean(dim=0)


def rgb(pictures: list[Image.Image], transform: object) -> torch.Tensor:
    """Films as a framework has them: as colour, through its own transform."""
    return torch.stack([transform(picture.convert("RGB")) for picture in pictures])  # type: ignore[operator]


@torch.no_grad()
def softmax(network: torch.nn.Module, tensors: torch.Tensor) -> list[list[float]]:
    return torch.softmax(network(tensors), dim=1).tolist()


def ultralytics(pictures: list[Image.Image]) -> dict[str, object]:
    """`YOLO.export` with its defaults: a fixed batch of one, softmax and metadata inside."""
    yaml = HERE / "tiny-cls.yaml"
    yaml.write_text(_TINY_YOLO)
    torch.manual_seed(0)
    model = YOLO(str(yaml), task="classify")
    network = model.model
    network.names = {0: "normal", 1: "pneumonia"}
    from ultralytics.data.augment import classify_transforms

    settle(network, network.model[-1].linear, rgb(pictures, classify_transforms(SIDE)))
    weights = HERE / "tiny-cls.pt"
    model.save(str(weights))
    exported = YOLO(str(weights), task="classify").export(
        format="onnx", imgsz=SIDE, opset=17, simplify=False
    )
    Path(exported).replace(HERE / "ultralytics.onnx")
    weights.unlink()
    yaml.unlink()
    by_name = YOLO(str(HERE / "ultralytics.onnx"), task="classify")
    answers = [
        by_name.predict(np.asarray(p.convert("RGB"))[..., ::-1], imgsz=SIDE, verbose=False)[0]
        for p in pictures
    ]
    return {
        "made_by": f"ultralytics {version('ultralytics')}",
        "answers": [answer.probs.data.tolist() for answer in answers],
    }


def torchvision_model(pictures: list[Image.Image]) -> dict[str, object]:
    """A MobileNetV2 by `torch.onnx.export` of TorchScript: logits, dynamic batch."""
    torch.manual_seed(1)
    network = torchvision.models.MobileNetV2(
        num_classes=3,
        width_mult=0.1,
        inverted_residual_setting=[[1, 8, 1, 1], [6, 16, 1, 2], [6, 16, 1, 2]],
        dropout=0.0,
    )
    transform = v2.Compose(
        [
            v2.Resize(72),
            v2.CenterCrop(SIDE),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(**IMAGENET),
        ]
    )
    tensors = rgb(pictures, transform)
    settle(network, network.classifier[1], tensors)
    torch.onnx.export(
        network,
        (tensors[:1],),
        HERE / "torchvision.onnx",
        dynamo=False,
        opset_version=17,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}},
    )
    return {
        "made_by": f"torchvision {version('torchvision')}, torch {version('torch')} (TorchScript)",
        "answers": softmax(network, tensors),
    }


def timm_model(pictures: list[Image.Image]) -> dict[str, object]:
    """A small ResNet by `torch.onnx.export` of today: logits, a fixed batch of one."""
    torch.manual_seed(2)
    network = timm.models.ResNet(
        timm.models.resnet.BasicBlock,
        (1, 1, 1, 1),
        num_classes=2,
        stem_width=8,
        channels=(8, 16, 16, 24),
    )
    settings = {"input_size": (3, SIDE, SIDE), "interpolation": "bilinear", "crop_pct": 1.0}
    transform = timm.data.create_transform(
        **settings, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), is_training=False
    )
    tensors = rgb(pictures, transform)
    settle(network, network.fc, tensors)
    torch.onnx.export(network, (tensors[:1],), HERE / "timm.onnx", dynamo=True, external_data=False)
    _other_home(HERE / "timm.onnx")
    return {
        "made_by": f"timm {version('timm')}, torch {version('torch')} (torch.export)",
        "answers": softmax(network, tensors),
    }


def _other_home(path: Path) -> None:
    """Lines of source that the exporter writes beside nodes name the disk of who exported."""
    proto = onnx.load(path)
    for node in proto.graph.node:
        for entry in node.metadata_props:
            entry.value = entry.value.replace(sys.prefix, "/home/ann/env")
    onnx.save(proto, path)


def main() -> None:
    pictures = films()
    np.savez_compressed(HERE / "films.npz", *[np.asarray(picture) for picture in pictures])
    answers = {
        "ultralytics": ultralytics(pictures),
        "torchvision": torchvision_model(pictures),
        "timm": timm_model(pictures),
    }
    (HERE / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    main()
