"""Runs the jobs of a test's workflow in forks of one process that has imported torch and the like.

A job of the tiny study imports for ten seconds and computes for one. The `chexseg` in `folder()`,
first on PATH, passes its arguments, environment, folder and streams to a server, which forks. The
server never imports this package: the fork does, from the PYTHONPATH of the job, and runs the
command line as a process of its own would. Tests that kill jobs start real processes.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

HEAVY = (
    *("h5py", "lightning.fabric", "matplotlib.pyplot", "pandas", "pycocotools.mask", "pydantic"),
    *("scipy.optimize", "scipy.ndimage", "segmentation_models_pytorch", "skimage.measure"),
    *("statsmodels.stats.multitest", "torch._dynamo", "torchmetrics", "tyro"),
)
CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    order = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(server, [b"."], [1, 2])
    server.sendall(json.dumps(order).encode())
    server.shutdown(socket.SHUT_WR)
    pid = int(server.recv(20))
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(pid, number))
    sys.exit(int(server.recv(20)))
"""


@cache
def folder() -> Path:
    """Returns a folder whose `chexseg` runs in forks, once per process of the tests."""
    made = Path(tempfile.mkdtemp(prefix="chexseg-warm-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    address = str(made / "socket")
    server = subprocess.Popen([sys.executable, "-P", __file__, address], stdout=subprocess.PIPE)
    atexit.register(server.kill)
    assert server.stdout.readline() == b"ready\n"
    client = made / "chexseg"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o755)
    return made


def _serve(address: str) -> None:
    for name in HEAVY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # forks share these pages
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                listener.close()
                _wait_for_job(connection)
            connection.close()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _wait_for_job(connection: socket.socket) -> None:
    """Runs a job in a fork, and sends its process number and then its exit code."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 2)
    received = b"".join(iter(lambda: connection.recv(65536), b""))
    pid = os.fork()
    if not pid:
        connection.close()
        _run_job(streams, **json.loads(received))
    with suppress(BrokenPipeError):
        connection.sendall(f"{pid:<19}\n".encode())
        status = os.waitpid(pid, 0)[1]
        code = os.waitstatus_to_exitcode(status)
        connection.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _run_job(
    streams: list[int], words: list[str], folder: str, environment: dict[str, str]
) -> None:
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = ["chexseg", *words]
    code = 1
    try:
        from chexseg.cli import console

        console()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
