"""A Ray cluster of several nodes on this machine, for tests; run inside a network namespace.

Reads commands from standard input, a JSON array a line, and answers each with a line of JSON:
``["nodes", n]`` makes it so many nodes besides the head; ``["kill"]`` ends a node and everything on
it at once; ``["run", arguments, file]`` starts a program here, with its words in the file, and
answers with its process; ``["signal", process, number]``; ``["wait", process, seconds]`` answers
with its exit code. At the end of the input all of it is ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any

SIZE = 100 << 20  # bytes of a node's object store


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    from ray.cluster_utils import Cluster

    common = {"object_store_memory": SIZE, "include_dashboard": False}
    given = {**common, "node_ip_address": "127.0.0.1"}
    head = {"num_cpus": 0, **given}
    try:
        cluster = Cluster(initialize_head=True, head_node_args=head)
    except Exception:  # Ray gives itself half a minute, which a busy machine may need longer than
        cluster = Cluster(initialize_head=True, head_node_args=head)
    started: dict[int, subprocess.Popen[bytes]] = {}
    nodes: list[Any] = []

    def do(name: str, *rest: Any) -> Any:
        if name == "nodes":
            while len(nodes) < rest[0]:
                nodes.append(cluster.add_node(num_cpus=1, **given))
            while len(nodes) > rest[0]:
                cluster.remove_node(nodes.pop())
            return cluster.address
        if name == "kill":
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            return None
        if name == "run":
            arguments, words = rest
            with open(words, "wb") as file:
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
                )
            started[process.pid] = process
            return process.pid
        if name == "signal":
            started[rest[0]].send_signal(rest[1])
            return None
        assert name == "wait", name
        return started[rest[0]].wait(rest[1])

    try:
        print(json.dumps(cluster.address), flush=True)
        for line in sys.stdin:
            print(json.dumps(do(*json.loads(line))), flush=True)
    finally:
        for process in started.values():
            with suppress(OSError):
                process.kill()
        for node in nodes:
            cluster.remove_node(node)
        cluster.remove_node(cluster.head_node)


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main()
