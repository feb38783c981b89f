"""A reader for the tests of the pool: a film's text says what its reader shall do.

Imported in decoding processes by name, so this folder is on their path.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from xraybatch import DisplayHints, ImageReader, StoredImage
from xraybatch.images.memory import announce


def readers():
    return [ImageReader("trouble", "", (".trouble",), sniff, read)]


def sniff(head):
    if head.startswith(b"TROUBLE recognised_after "):
        time.sleep(float(head.split()[2]))
    return head.startswith(b"TROUBLE ")


def read(file, limits, frame):
    word, *rest = file.read().decode().split()[1:]
    if word == "leave":
        os._exit(0)
    elif word == "crash":
        ctypes.string_at(0)
    elif word == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "killed_once":
        flag = Path(rest[0])
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(rest[1]) if len(rest) > 1 else 0)
    elif word == "hang":
        time.sleep(600)
    elif word == "eat":
        np.zeros(5 << 30, np.uint8)
    elif word in ("take", "called_damaged"):
        take(int(rest[0]) << 20, Path(rest[1]), called_damaged=word == "called_damaged")
    elif word == "print":
        print("noise")
        os.write(2, b"noise")
    elif word == "exit":
        sys.exit(4)
    elif word == "sleep":
        time.sleep(float(rest[0]))
    grey = int(rest[0]) if word == "grey" else 7
    return StoredImage(np.full((8, 8), grey, np.uint8), DisplayHints(), "TROUBLE", "test")


def take(size, mark, *, called_damaged):
    """Needs so many bytes; two that get them at the same time are told by the mark."""
    announce(size // 4)
    try:
        taken = np.zeros(size, np.uint8)
    except MemoryError:
        if called_damaged:
            raise ValueError("as a codec says it that gets no memory") from None
        raise
    mark.mkdir()
    time.sleep(0.1)
    mark.rmdir()
    assert taken.size == size


def none_at_all():
    os._exit(9)
