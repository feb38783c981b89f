from __future__ import annotations

import pytest

from xraybatch.core.errors import UsageError
from xraybatch.core.tasks import RESERVED, Task, TaskKind, TaskRequest, parse_task_request


def test_a_request_names_kind_and_classes() -> None:
    assert parse_task_request("kl:ordinal=0,1, 2") == TaskRequest(
        "kl", TaskKind.ORDINAL, ("0", "1", "2")
    )
    assert parse_task_request("label") == TaskRequest("label")


@pytest.mark.parametrize(
    "text", ["Label", "1x", "", "label:binry", "label=a,b", "val_x", *sorted(RESERVED)]
)
def test_a_wrong_request_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_task_request(text)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_finding_has_no_name_that_means_something_else(name: str) -> None:
    with pytest.raises(UsageError, match=f"'{name}'"):
        parse_task_request(f"chest:multilabel=mass,{name}")
    with pytest.raises(UsageError, match=f"'{name}'"):
        Task("chest", TaskKind.MULTILABEL, ("mass", name))
    assert Task("label", TaskKind.MULTICLASS, ("mass", name)).classes == ("mass", name)


def test_names_that_collide_with_what_models_and_runs_have_are_reserved() -> None:
    # output of the network, column of folds, word of a card's scores, beginning of a history's
    assert {"embedding", "fold", "part"} <= RESERVED
    assert parse_task_request("value").name == "value"


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
