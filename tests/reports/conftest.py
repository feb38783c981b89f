"""Reports to render: scored from simulated tables, with every curve in them; pages to look into."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.candidates import Candidate, Cost
from xraybatch.evaluation.comparison import Comparison, compare
from xraybatch.evaluation.curves import (
    DecisionCurve,
    PrecisionRecallCurve,
    ReliabilityBin,
    ReliabilityCurve,
    ThresholdCounts,
)
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.pairs import Wish
from xraybatch.evaluation.report import Report, TaskReport
from xraybatch.evaluation.scoring import score

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# inside the charts' script: namespaces, and addresses that it only compares or links to
KNOWN = {
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/2000/xmlns/",
    "https://vega.github.io/schema/vega/v6.json",
    "https://vega.github.io/editor/",
    "https://github.com/vega/vega-lite/issues/2415",
}
GRID = np.round(np.linspace(0, 1, 1001), 3)


class Seen(HTMLParser):
    """Elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.data: dict[str, object] = {}
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._in = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "script":
            attributes = self.elements[-1][1]
            if attributes.get("type") == "application/json":
                self.data[attributes["id"]] = json.loads(data)
            else:
                self.scripts.append(data)
        elif not self._in:
            self.text.append(data)


@pytest.fixture(scope="session")
def parse() -> type[Seen]:
    """What reads a page: its elements, texts, scripts and data."""
    return Seen


@pytest.fixture(scope="session")
def assert_closed() -> Callable[..., Seen]:
    """What checks that a page fetches nothing and runs only its own scripts."""

    def check(page: str, scripts: int) -> Seen:
        assert set(re.findall(r"https?://[^\s\"'`()\\<>{}]*", page)) <= KNOWN
        seen = Seen(page)
        for tag, attributes in seen.elements:
            assert tag not in ("link", "iframe", "object", "embed", "base"), tag
            assert not {"src", "srcset", "action", "background", "data"} & set(attributes), tag
            assert not any(name.startswith("on") for name in attributes), tag
            assert attributes.get("href", "#").startswith("#")
        policy = next(a["content"] for t, a in seen.elements if a.get("http-equiv"))
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe-eval" not in policy
        digests = {
            base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in seen.scripts
        }
        assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
        assert len(digests) == scripts
        script_rule = re.search(r"script-src ([^;]*)", policy)
        assert script_rule is not None
        assert "unsafe-inline" not in script_rule[1]
        assert "url(" not in page.split("</style>")[0]
        return seen

    return check


def simulated(classes, films=400, seed=0, patients=150):
    """A results and a labels table; the truth of each film and its probabilities."""
    rng = np.random.default_rng(seed)
    size = len(classes)
    truth = rng.choice(size, films, p=np.r_[0.6, np.full(size - 1, 0.4 / (size - 1))])
    logits = rng.normal(0, 1, (films, size)) + 1.6 * np.eye(size)[truth]
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    prob = prob.astype(np.float32).astype(float)
    guess = prob.argmax(1)
    paths = [f"ward {i % 7}/film{i:05}.png" for i in range(films)]
    status = np.array(["ok"] * films, dtype=object)
    status[::97] = "corrupt"
    ok = status == "ok"
    results = pd.DataFrame({"path": paths, "status": status})
    results["label"] = np.where(ok, np.array(classes, dtype=object)[guess], "")
    for k, name in enumerate(classes):
        results[f"prob.{name}"] = [
            str(p) if o else "" for p, o in zip(prob[:, k].tolist(), ok, strict=True)
        ]
    labels = pd.DataFrame(
        {
            "path": paths[3:],
            "label": np.array(classes, dtype=object)[truth][3:],
            "patient": [f"p{i % patients}" for i in range(films)][3:],
        }
    )
    used = ok & (np.arange(films) >= 3)
    return results, labels, truth[used], prob[used]


def curves(name, positive, scores):
    """Every curve of one class, counted the plain way."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    keep = np.unique(np.linspace(0, len(scores) - 1, 120).round().astype(int))
    n, p = len(scores), int(positive.sum())
    recall = PrecisionRecallCurve(
        name, tuple(hits[keep] / p), tuple(hits[keep] / (keep + 1)), p / n
    )
    bins = []
    for low in np.arange(10) / 10:
        inside = (scores >= low) & (scores < low + 0.1 if low < 0.9 else scores <= 1)
        if inside.any():
            share, size = positive[inside].mean(), int(inside.sum())
            half = 1.96 * float(np.sqrt(share * (1 - share) / size + 1 / (4 * size**2)))
            ends = {"low": max(0.0, float(share) - half), "high": min(1.0, float(share) + half)}
            shown = Estimate(float(share), **ends, method="by hand", n=size)
            mean = float(scores[inside].mean())
            bins.append(ReliabilityBin(float(low), float(low + 0.1), size, mean, shown))
    at = np.round(np.arange(0.03, 0.99, 0.03), 2)
    benefit = [
        ((scores >= t) & positive).sum() / n - ((scores >= t) & ~positive).sum() / n * t / (1 - t)
        for t in at
    ]
    model = tuple(
        Estimate(float(b), low=float(b - 0.02), high=float(b + 0.02), method="by hand", n=n)
        for b in benefit
    )
    everyone = tuple(float(p / n - (n - p) / n * t / (1 - t)) for t in at)
    called = [scores.astype(np.float32) >= np.float32(t) for t in GRID]
    counts = ThresholdCounts(
        name,
        tuple(GRID.tolist()),
        p,
        n - p,
        tuple(int((c & positive).sum()) for c in called),
        tuple(int((c & ~positive).sum()) for c in called),
    )
    return (
        recall,
        ReliabilityCurve(name, tuple(bins)),
        DecisionCurve(name, tuple(at), model, everyone),
        counts,
    )


def with_curves(task: TaskReport, truth, prob, wanted) -> TaskReport:
    found = [curves(task.classes[k], truth == k, prob[:, k]) for k in wanted]
    names = ("precision_recall", "reliability", "decision", "explorer")
    return replace(task, **dict(zip(names, map(tuple, zip(*found, strict=True)), strict=True)))


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    """A report of simulated films; classes, their number and the kind are given."""

    def make(classes=("normal", "fractured"), kind=TaskKind.BINARY, films=400, seed=0) -> Report:
        results, labels, truth, prob = simulated(classes, films, seed)
        binary = kind is TaskKind.BINARY
        task = Task("label", kind, tuple(classes), classes[1] if binary else None)
        report = score(results, labels, tasks=[task], options=ScoreOptions(resamples=100))
        wanted = [1] if binary else range(len(classes))
        return replace(report, tasks=(with_curves(report.tasks[0], truth, prob, wanted),))

    return make


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., Comparison]:
    """A comparison of models that saw the same simulated films; names and classes are given."""

    def make(
        names=("first", "second"),
        classes=("normal", "fractured"),
        kind=TaskKind.BINARY,
        films=240,
        margin=None,
        probabilities=True,
    ) -> Comparison:
        task = Task("label", kind, tuple(classes), classes[1] if kind is TaskKind.BINARY else None)
        tables = [simulated(classes, films, seed=0)]
        rng = np.random.default_rng(5)
        for _ in names[1:]:  # other answers to the same films
            results = tables[0][0].copy()
            fine = results["status"] == "ok"
            columns = [f"prob.{name}" for name in classes]
            p = results.loc[fine, columns].to_numpy(float) * rng.uniform(0.3, 1, (fine.sum(), 1))
            p = p + rng.dirichlet(np.ones(len(classes)), len(p)) * (1 - p.sum(1, keepdims=True))
            results.loc[fine, columns] = [[str(x) for x in row] for row in p.tolist()]
            results.loc[fine, "label"] = np.array(classes, dtype=object)[p.argmax(1)]
            tables.append((results, *tables[0][1:]))
        found = [results for results, *_ in tables]
        if not probabilities:
            found = [t.drop(columns=[f"prob.{name}" for name in classes]) for t in found]
        cost = Cost(parameters=1000, epochs=9, best_epoch=4, training_seconds=12.5)
        return compare(
            [Candidate(n, t, cost) for n, t in zip(names, found, strict=True)],
            tables[0][1],
            tasks=[task],
            options=ScoreOptions(resamples=100),
            wish=Wish(margin=margin),
        )

    return make


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install 'xraybatch[dev]'"
    )
    if CHROMIUM is None:
        pytest.skip("there is no chromium here: apt install chromium")
    with playwright.sync_playwright() as driver:
        # the sandbox of Chromium does not run as root, as whoever tests in a container is
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield started
        started.close()


@pytest.fixture
def show(browser, tmp_path):
    """Open a page from disk; afterwards it must have said nothing and asked for nothing."""
    heard, contexts = [], []

    def open_page(html, **settings):
        file = tmp_path / "score.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append("dialog"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("data:", file.as_uri()))
                or heard.append(f"request: {request.url}")
            ),
        )
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


@pytest.fixture(scope="session")
def three_tasks(tiny_graph: bytes) -> bytes:
    """The tiny graph with two further outputs: ``findings`` of three, ``side`` of two classes."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load_from_string(tiny_graph)
    two = np.array([[1, 0], [0, 1], [-1, -1]], np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(two, "two"))
    proto.graph.node.extend(
        [
            helper.make_node("Sigmoid", ["logits"], ["findings"]),
            helper.make_node("MatMul", ["logits", "two"], ["sides"]),
            helper.make_node("Softmax", ["sides"], ["side"], axis=-1),
        ]
    )
    for name, width in (("findings", 3), ("side", 2)):
        shape = ["batch", width]
        proto.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())
