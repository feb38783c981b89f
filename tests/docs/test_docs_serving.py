"""The programs of docs/serving.md are taken from the page and run."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import as_file
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.resize import fit as our_fit
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import TaskCard, decide
from xraybatch_samples import model_file, write

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of the page, ``model.onnx`` and the sample films; read only."""
    folder = tmp_path_factory.mktemp("serving")
    for name, body in PROGRAMS.items():
        (folder / name).write_text(body, encoding="utf-8")
    with as_file(model_file()) as bundled:
        shutil.copy(bundled, folder / "model.onnx")
    write(folder / "films")
    return folder


@pytest.fixture(scope="module")
def predicted(place: Path) -> dict[str, dict[str, str]]:
    """What `xraybatch predict` says, by path."""
    arguments = ["predict", "films", "--out", "results.csv", "--model", "model.onnx", "-q"]
    done = run(place, "-m", "xraybatch", *arguments, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    with (place / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[Any]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def grey_8_bit(folder: Path) -> list[str]:
    """The sample films that the first program takes, found without it."""
    found = []
    for path in sorted((folder / "films").rglob("*.*")):
        if path.suffix == ".png":
            with Image.open(path) as image:
                if image.mode == "L":
                    found.append(path.relative_to(folder).as_posix())
    return found


def same(probabilities: dict[str, float], row: dict[str, str]) -> bool:
    return all(abs(p - float(row[f"prob.{name}"])) <= 1e-6 for name, p in probabilities.items())


def test_plain_onnxruntime_answers_as_predict_does(
    place: Path, predicted: dict[str, dict[str, str]]
) -> None:
    films = grey_8_bit(place)
    assert len(films) > 50
    assert len(films) % 16, "the last batch would not be padded"
    answers = lines(run(place, "serve.py", "model.onnx", *films))
    assert [path for path, *_ in answers] == films
    for path, task, answer, probabilities in answers:
        row = predicted[path.removeprefix("films/")]
        assert (task, answer) == ("label", row["label"])
        assert len(probabilities) == 3
        assert same(probabilities, row), path


def test_plain_onnxruntime_is_about_twenty_lines() -> None:
    counted = [line for line in PROGRAMS["serve.py"].splitlines() if line.strip()]
    assert len(counted) <= 28


def test_plain_onnxruntime_stops_at_films_that_it_would_decode_wrongly(
    place: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 65535, (20, 20), dtype=np.uint16)
    grey = Image.fromarray((deep >> 8).astype(np.uint8))
    turned = Image.Exif()
    turned[274] = 6
    Image.fromarray(deep).save(tmp_path / "deep.png")
    grey.save(tmp_path / "turned.png", exif=turned)
    grey.save(tmp_path / "large.jpg")
    grey.save(tmp_path / "clear.png", transparency=7)
    grey.save(tmp_path / "film.tif")
    Image.merge("RGB", [grey] * 3).save(tmp_path / "colour.png")
    Image.merge("LA", [grey] * 2).save(tmp_path / "alpha.png")
    grey.save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:-200])
    bad = sorted(tmp_path.iterdir())
    assert len(bad) == 8
    for film in bad:
        done = run(place, "serve.py", "model.onnx", str(film))
        assert done.returncode != 0, film.name
        assert done.stdout == "", film.name


def test_plain_onnxruntime_refuses_a_rule_that_it_does_not_know(
    place: Path, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    model = make_model(tmp_path / "pad.onnx", rule=DecodingRule(32, 24, "pad"))
    done = run(place, "serve.py", str(model))
    assert done.returncode == 1
    assert "resize stretch" in done.stderr


@pytest.mark.parametrize(
    ("task", "thresholds"),
    [
        (Task("t", TaskKind.BINARY, ("no", "yes"), "yes"), None),
        (Task("t", TaskKind.BINARY, ("no", "yes"), "yes"), (0.3,)),
        (Task("t", TaskKind.BINARY, ("sick", "well"), "sick"), (0.7,)),
        (Task("t", TaskKind.MULTICLASS, ("a", "b", "c")), None),
        (Task("t", TaskKind.ORDINAL, ("a", "b", "c")), None),
        (Task("t", TaskKind.MULTILABEL, ("a", "b", "c")), (0.2, 0.5, 0.8)),
        (Task("t", TaskKind.MULTILABEL, ("a",)), None),
    ],
)
def test_the_class_by_threshold_is_ours(
    place: Path, task: Task, thresholds: tuple[float, ...] | None
) -> None:
    answer = runpy.run_path(str(place / "answer.py"))["answer"]
    if thresholds is not None:  # float32, as a card holds them
        thresholds = tuple(float(np.float32(bar)) for bar in thresholds)
    as_in_card = {"kind": task.kind.value, "classes": list(task.classes)}
    as_in_card |= {"positive": task.positive, "thresholds": thresholds and list(thresholds)}
    rng = np.random.default_rng(1)
    values = rng.random((200, len(task.classes)), dtype=np.float32)
    values[:4] = [[bar] * len(task.classes) for bar in (0.5, 0.3, 0.7, 0.2)]  # ties with bars
    expected = decide(values, TaskCard(task, thresholds))
    for row, ours in zip(values, expected, strict=True):
        if task.kind is TaskKind.MULTILABEL:
            assert answer(as_in_card, row) == [
                name for name, found in zip(task.classes, ours, strict=True) if found
            ]
        else:
            assert answer(as_in_card, row) == task.classes[ours]


def test_the_three_resizes_are_ours(place: Path) -> None:
    fit = runpy.run_path(str(place / "fit.py"))["fit"]
    rng = np.random.default_rng(2)
    sizes = [(1, 90), (90, 1), (32, 24), (64, 48), (33, 24)]
    sizes += [(int(h), int(w)) for h, w in rng.integers(2, 120, (60, 2))]
    for rows, columns in sizes:
        pixels = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
        for resize in ("stretch", "pad", "crop"):
            rule = DecodingRule(32, 24, resize)
            shown = np.asarray(fit(Image.fromarray(pixels), rule.to_dict()))
            assert np.array_equal(shown, our_fit(pixels, rule)), (rows, columns, resize)


def test_the_seal_holds_and_a_changed_byte_breaks_it(
    place: Path, tiny_model: Path, tmp_path: Path
) -> None:
    assert "The seal holds" in run(place, "seal.py", "model.onnx").stdout
    assert run(place, "seal.py", str(tiny_model)).returncode == 0
    content = tiny_model.read_bytes()
    changed = tmp_path / "changed.onnx"
    for position in (0, len(content) // 2, len(content) - 85, len(content) - 84, -1):
        wrong = bytearray(content)
        wrong[position] ^= 1
        changed.write_bytes(wrong)
        assert run(place, "seal.py", str(changed)).returncode == 1, position
    for wrong_size in (content[:-1], content[:-84], content + b"\0", b""):
        changed.write_bytes(wrong_size)
        assert run(place, "seal.py", str(changed)).returncode == 1


def test_xraybatch_decodes_and_onnxruntime_runs(
    place: Path, predicted: dict[str, dict[str, str]]
) -> None:
    films = [f"films/{path}" for path in predicted]  # every format of the samples
    answers = lines(run(place, "decode_and_run.py", "model.onnx", *films, "model.onnx"))
    assert {path: status for path, status, _ in answers if status != "ok"} == {
        "model.onnx": "unsupported"
    }
    classes = ("normal", "osteopenia", "osteoporosis")
    good = {path: found["label"] for path, status, found in answers if status == "ok"}
    assert list(good) == films
    for path, values in good.items():
        named = dict(zip(classes, values, strict=True))
        assert same(named, predicted[path.removeprefix("films/")]), path


def test_the_folder_for_triton_fits_the_graph(place: Path, tmp_path: Path) -> None:
    import onnxruntime

    done = run(place, "triton.py", "model.onnx", str(tmp_path / "models" / "knee"))
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "knee"
    written = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert written == ["1/model.onnx", "config.pbtxt", "label.txt"]
    assert (folder / "label.txt").read_text() == "normal\nosteopenia\nosteoporosis\n"
    assert (folder / "1/model.onnx").read_bytes() == (place / "model.onnx").read_bytes()
    text = (folder / "config.pbtxt").read_text()
    assert f"```protobuf\n{text}```" in PAGE, "the page shows another config.pbtxt"

    config = triton_config(text)
    graph = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])
    shapes = {one.name: one.shape[1:] for one in (*graph.get_inputs(), *graph.get_outputs())}
    assert config.name == folder.name
    assert config.backend == "onnxruntime"
    assert config.max_batch_size > 1
    assert [(i.name, i.data_type, list(i.dims)) for i in config.input] == [
        ("films", "TYPE_UINT8", shapes["films"])
    ]
    assert [(o.name, o.data_type, list(o.dims)) for o in config.output] == [
        ("label", "TYPE_FP32", shapes["label"])
    ]
    assert [o.label_filename for o in config.output] == ["label.txt"]


def triton_config(text: str) -> Any:
    """Parse by the fields, with their types, that Triton's ``model_config.proto`` has.

    A field that is not here is an error, as one that Triton does not know would be. Triton's own
    ``model_config_pb2`` needs a protobuf older than TensorFlow's.
    """
    pytest.importorskip(
        "google.protobuf", reason="protobuf is not installed: pip install 'xraybatch[train]'"
    )
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    fields = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference")
    types = file.enum_type.add(name="DataType")
    for name, number in (("TYPE_INVALID", 0), ("TYPE_UINT8", 2), ("TYPE_FP32", 11)):
        types.value.add(name=name, number=number)
    single, many = fields.LABEL_OPTIONAL, fields.LABEL_REPEATED
    tensor = [
        ("name", 1, fields.TYPE_STRING, single, ""),
        ("data_type", 2, fields.TYPE_ENUM, single, ".inference.DataType"),
    ]
    messages = {
        "ModelInput": [*tensor, ("dims", 4, fields.TYPE_INT64, many, "")],
        "ModelOutput": [
            *tensor,
            ("dims", 3, fields.TYPE_INT64, many, ""),
            ("label_filename", 4, fields.TYPE_STRING, single, ""),
        ],
        "ModelDynamicBatching": [
            ("preferred_batch_size", 1, fields.TYPE_INT32, many, ""),
            ("max_queue_delay_microseconds", 2, fields.TYPE_UINT64, single, ""),
        ],
        "ModelConfig": [
            ("name", 1, fields.TYPE_STRING, single, ""),
            ("backend", 17, fields.TYPE_STRING, single, ""),
            ("max_batch_size", 4, fields.TYPE_INT32, single, ""),
            ("input", 5, fields.TYPE_MESSAGE, many, ".inference.ModelInput"),
            ("output", 6, fields.TYPE_MESSAGE, many, ".inference.ModelOutput"),
            (
                "dynamic_batching",
                11,
                fields.TYPE_MESSAGE,
                single,
                ".inference.ModelDynamicBatching",
            ),
        ],
    }
    for name, entries in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind, label, of in entries:
            message.field.add(
                name=field, number=number, type=kind, label=label, type_name=of or None
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("inference.ModelConfig")
    config = text_format.Parse(text, message_factory.GetMessageClass(found)())
    words = {value.number: value.name for value in types.value}

    def plain(entry: Any) -> SimpleNamespace:
        names = [field.name for field, _ in entry.ListFields()]
        values = {name: getattr(entry, name) for name in names}
        return SimpleNamespace(**values | {"data_type": words[entry.data_type]})

    return SimpleNamespace(
        name=config.name,
        backend=config.backend,
        max_batch_size=config.max_batch_size,
        input=[plain(entry) for entry in config.input],
        output=[plain(entry) for entry in config.output],
    )


@pytest.fixture
def server(place: Path) -> Iterator[str]:
    """A server of the v2 inference protocol that is strict about what it is sent; its address."""
    import onnxruntime

    session = onnxruntime.InferenceSession(place / "model.onnx", providers=["CPUExecutionProvider"])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v2/models/knee/infer"
            assert self.headers["Content-Type"] == "application/json"
            assert set(body) == {"inputs", "outputs"}
            [given] = body["inputs"]
            assert set(given) == {"name", "datatype", "shape", "data"}
            assert given["datatype"] == "UINT8"
            films = np.array(given["data"], np.uint8).reshape(given["shape"])
            names = [output["name"] for output in body["outputs"]]
            outputs = [
                {"name": n, "datatype": "FP32", "shape": list(v.shape), "data": v.ravel().tolist()}
                for n, v in zip(names, session.run(names, {given["name"]: films}), strict=True)
            ]
            answer = json.dumps({"model_name": "knee", "model_version": "1", "outputs": outputs})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


def test_a_request_is_answered_with_the_probabilities_of_predict(
    place: Path, predicted: dict[str, dict[str, str]], server: str, tmp_path: Path
) -> None:
    some = [*sorted(predicted)[:3], next(path for path in predicted if path.endswith(".dcm"))]
    films = [str(place / "films" / path) for path in some]
    made = run(place, "request.py", "model.onnx", *films)
    assert made.returncode == 0, made.stderr
    (tmp_path / "request.json").write_text(made.stdout)
    program = PROGRAMS["ask.py"].replace("http://localhost:8000", server)
    assert server in program
    (tmp_path / "ask.py").write_text(program)
    done = run(tmp_path, "ask.py")
    assert done.returncode == 0, done.stderr
    answers = [line.split(" ", 1) for line in done.stdout.splitlines()]
    assert [name for name, _ in answers] == ["label"] * len(films)
    classes = ("normal", "osteopenia", "osteoporosis")
    for path, (_, values) in zip(some, answers, strict=True):
        named = dict(zip(classes, json.loads(values), strict=True))
        assert same(named, predicted[path]), path

    if shutil.which("curl"):
        [line] = re.findall(r"^    (curl .*?[^\\])$", PAGE, re.DOTALL | re.MULTILINE)
        command = shlex.split(line.replace("http://localhost:8000", server).replace("\\\n", " "))
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        [output] = json.loads(done.stdout)["outputs"]
        told = [value for _, values in answers for value in json.loads(values)]
        assert output["data"] == told


def test_every_program_is_told_how_to_start() -> None:
    imported = {"answer.py", "fit.py", "ask.py"}
    for name in set(PROGRAMS) - imported:
        assert f"    python {name} " in PAGE
    assert len(PROGRAMS) == 8
