"""Does what a fault is injected into, each time in a fresh child process that costs next to nothing to start.

The modules are imported once; every order on standard input forks a child, which waits until it may begin, so that
strace can be attached to it before its first system call of interest. `tests.faults.strace` starts it and orders.

What the child says goes through a socket, with a system call that no fault is injected into.
"""

import json
import os
import socket
import sys
import traceback
import warnings
from pathlib import Path

from audit.errors import AffidavitError
from tests.faults.scenes import SCENES


def serve() -> None:
    """Answer orders until standard input ends."""
    for order in sys.stdin:
        wanted = json.loads(order)
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            _act(wanted["scene"], Path(wanted["folder"]), theirs)
        theirs.close()
        print(child, flush=True)
        sys.stdin.readline()
        ours.sendall(b"\n")
        with ours.makefile("r") as heard:
            said = [json.loads(line) for line in heard if line.endswith("\n")]
        ours.close()
        _, status = os.waitpid(child, 0)
        print(json.dumps({"said": said, "killed": os.WIFSIGNALED(status)}), flush=True)


def _act(scene: str, folder: Path, driver: socket.socket) -> None:
    def say(word: str, *more: object) -> None:
        driver.sendall(json.dumps([word, *more]).encode() + b"\n")

    driver.recv(1)
    # As stdout and stderr are the tester's, a warning is said like everything else.
    warnings.showwarning = lambda message, *_: say("warned", str(message))
    try:
        SCENES[scene].act(folder, say)
    except AffidavitError as error:
        say("refused", type(error).__name__, str(error))
    except BaseException:
        say("broken", traceback.format_exc())
    os._exit(0)


if __name__ == "__main__":
    serve()
