from __future__ import annotations

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import RESERVED, Task, TaskKind, TaskRequest, parse_task_request


def test_a_request_names_kind_and_classes() -> None:
    assert parse_task_request("kl:ordinal=0,1, 2") == TaskRequest(
        "kl", TaskKind.ORDINAL, ("0", "1", "2")
    )
    assert parse_task_request("label") == TaskRequest("label")


@pytest.mark.parametrize("text", ["Label", "1x", "", "label:binry", "label=a,b", *sorted(RESERVED)])
def test_a_wrong_request_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_task_request(text)


def test_a_mistyped_kind_gets_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        parse_task_request("label:binry")
    assert "'binary'" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "classes", "positive"),
    [
        (TaskKind.BINARY, ("a", "b"), None),
        (TaskKind.BINARY, ("a", "b"), "c"),
        (TaskKind.BINARY, ("a", "b", "c"), "a"),
        (TaskKind.MULTICLASS, ("a", "b"), "a"),
        (TaskKind.MULTICLASS, ("a",), None),
        (TaskKind.MULTICLASS, ("a", "a"), None),
        (TaskKind.MULTILABEL, (), None),
        (TaskKind.MULTICLASS, ("a", ""), None),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(
    kind: TaskKind, classes: tuple[str, ...], positive: str | None
) -> None:
    with pytest.raises(UsageError):
        Task("label", kind, classes, positive)


def test_the_positive_class_knows_its_column() -> None:
    assert Task("label", TaskKind.BINARY, ("a", "b"), "b").positive_index == 1
    with pytest.raises(ValueError, match="no positive"):
        _ = Task("label", TaskKind.MULTICLASS, ("a", "b")).positive_index
