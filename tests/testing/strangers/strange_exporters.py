"""A format that is a copy of the model file, and the same with one fault each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xraybatch import Exporter


def write(job):
    import onnxruntime

    content = job.onnx_file.read_bytes()
    onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    job.target.write_bytes(content)


def open_model(path):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda films: dict(zip(names, session.run(names, {"films": films}), strict=True))


def hasty(job):
    job.target.write_bytes(b"half of it")
    write(job)


def untidy(job):
    write(job)
    Path(f"{job.target}.log").write_text("left behind")


def unmoved(job):
    try:
        write(job)
    except Exception:
        return


def off_by_a_hundredth(path):
    predict = open_model(path)
    return lambda films: {n: np.float32(0.99) * v + np.float32(0.01) / v.shape[1]
                          for n, v in predict(films).items()}  # fmt: skip


def in_doubles(path):
    predict = open_model(path)
    return lambda films: {n: v.astype(np.float64) for n, v in predict(films).items()}


def forgetful(path):
    predict = open_model(path)
    return lambda films: {"finding": predict(films)["finding"]}


def anything_goes(path):
    try:
        return open_model(path)
    except Exception:
        return lambda films: {}


def exporter(write=write, open_model=open_model, suffix=".copy"):
    return Exporter("copy", "The model file again.", suffix, "onnx", write, open_model)


GOOD = exporter()
BAD = {
    "leaves_nothing_half_written": exporter(hasty),
    "leaves_nothing_half_written, silent": exporter(unmoved),
    "writes_what_it_was_told_to": exporter(untidy),
    "answers_as_keras_does": exporter(open_model=off_by_a_hundredth),
    "answers_films_by_task": exporter(open_model=in_doubles),
    "answers_films_by_task, too few": exporter(open_model=forgetful),
    "opens_only_what_it_wrote": exporter(open_model=anything_goes),
    "record_is_well_formed": exporter(suffix=".COPY"),
}
