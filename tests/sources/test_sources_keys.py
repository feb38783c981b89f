from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.sources.keys import joined, key_of, order_key, same_key


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a/b.png", "a/b.png"),
        ("./a//b/./c.png", "a/b/c.png"),
        ("a/b/", "a/b"),
        ("/data//films", "/data/films"),
        ("../films/a.png", "../films/a.png"),
        ("a../b", "a../b"),
        ("a./b", "a./b"),
        (" leading and trailing .png ", " leading and trailing .png "),
        ("café.png", "café.png"),
        ("=cmd|' -C calc'!A0.png", "./=cmd|' -C calc'!A0.png"),
        ("+1.png", "./+1.png"),
        ("-rf.png", "./-rf.png"),
        ("@SUM(A1).png", "./@SUM(A1).png"),
        ("\tx.png", "./\tx.png"),
        ("\rx.png", "./\rx.png"),
        ("a/=b.png", "a/=b.png"),
        ("file:a.png", "./file:a.png"),
        (os.fsdecode(b"a/caf\xe9 1.png"), "file:a/caf%E9%201.png"),
    ],
)
def test_keys(path, key):
    assert key_of(path) == key


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1))
def test_a_key_names_the_same_file_and_is_stable(path):
    key = key_of(path)
    assert key_of(key) == key
    if path.strip("/."):
        assert os.path.normpath(key) == os.path.normpath(path).replace("//", "/")
    assert not key.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_different_names_have_different_keys(name):
    key = key_of(os.fsdecode(name))
    key.encode()  # always valid UTF-8
    other = os.fsdecode(name + b"x")
    assert key_of(other) != key


def test_order_is_that_of_bytes():
    keys = ["é.png", "z.png", "Z.png", "\U0001f9b4.png", "\ufb01.png", "a/b.png", "a.png"]
    assert sorted(keys, key=order_key) == [
        *("Z.png", "a.png", "a/b.png", "z.png", "é.png", "\ufb01.png", "\U0001f9b4.png")
    ]


def test_joins_ignore_a_leading_dot():
    assert same_key("./-rf.png") == same_key("-rf.png") == "-rf.png"
    assert same_key("././a/./b") == "a/./b"


def test_joined():
    assert joined("", "a") == "a"
    assert joined("/", "a") == "/a"
    assert joined("x/y", "a") == "x/y/a"
