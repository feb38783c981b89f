"""Ctrl-C waits until what is half done is whole, and then comes."""

from __future__ import annotations

import gc
import signal
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

import pytest

from xraybatch.core.interrupts import beside, in_order, is_done, result_of, uninterrupted


@pytest.fixture(autouse=True)
def python_s_own_handler() -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_comes_after_the_block() -> None:
    done = []

    def pressed() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("whole")
        done.append("after")

    with pytest.raises(KeyboardInterrupt):
        pressed()
    assert done == ["whole"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_comes_once_and_only_after_the_outermost_block() -> None:
    done = []

    def pressed() -> None:
        with uninterrupted():
            with uninterrupted():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt):
        pressed()
    assert done == ["inner", "outer"]


def test_a_handler_of_ones_own_is_called_with_what_came() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            assert came == []
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_the_system_does_itself_is_left_to_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_error_inside_is_not_lost() -> None:
    with pytest.raises(ZeroDivisionError), uninterrupted():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_may_use_it() -> None:
    def work() -> str:
        with uninterrupted():
            return "done"

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(work).result() == "done"


def test_ctrl_c_ends_the_waiting_for_a_future_and_leaves_it_whole() -> None:
    future: Future[int] = Future()
    main = threading.main_thread().ident
    assert main is not None
    press = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
    press.start()
    with pytest.raises(KeyboardInterrupt):
        result_of(future)
    assert not is_done(future, 0)
    future.set_result(7)
    assert is_done(future)
    assert result_of(future) == 7


def test_a_future_is_given_its_time() -> None:
    assert not is_done(Future(), 0.25)


def test_what_a_future_raises_is_raised() -> None:
    future: Future[int] = Future()
    future.set_exception(KeyError("a"))
    with pytest.raises(KeyError, match="a"):
        result_of(future)


def test_results_come_in_order_and_what_nobody_asks_for_is_dropped() -> None:
    assert list(in_order(lambda n: n * n, range(20), 3)) == [n * n for n in range(20)]
    begun: SimpleQueue[int] = SimpleQueue()

    def work(number: int) -> int:
        begun.put(number)
        return 1 // (3 - number)

    with pytest.raises(ZeroDivisionError):
        list(in_order(work, range(10_000), 1))
    assert begun.qsize() < 10_000


def test_a_sigterm_at_the_end_of_a_block_does_not_take_ctrl_c_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    install = signal.signal

    def installed(number: int, handler: object) -> object:
        was = install(number, handler)
        if number == signal.SIGTERM and handler is stop:  # it comes at once
            signal.raise_signal(signal.SIGTERM)
        return was

    monkeypatch.setattr(signal, "signal", installed)
    try:
        with pytest.raises(KeyboardInterrupt), uninterrupted():
            pass
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        install(signal.SIGTERM, before)


def test_what_failed_work_held_is_let_go() -> None:
    class Large:
        pass

    seen: list[weakref.ref[Large]] = []

    def work(number: int) -> None:
        large = Large()
        seen.append(weakref.ref(large))
        raise ZeroDivisionError

    gc.disable()
    try:
        with suppress(ZeroDivisionError):
            list(in_order(work, range(1), 1))
        assert seen[0]() is None
    finally:
        gc.enable()


def test_items_are_taken_as_results_are_asked_for() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, items(), 2)
    assert next(results) == 0
    assert len(taken) < 20
    results.close()


def test_work_under_way_is_told_that_nobody_waits_for_it() -> None:
    leaving = threading.Event()

    def work(number: int) -> bool:
        return number == 0 or leaving.wait(60)

    results = in_order(work, range(3), 2, leaving=leaving)
    assert next(results)
    results.close()  # would wait for a minute
    assert leaving.is_set()


def test_work_beside_is_a_future() -> None:
    assert result_of(beside(lambda: 3)) == 3
    with pytest.raises(ZeroDivisionError):
        result_of(beside(lambda: 1 // 0))
