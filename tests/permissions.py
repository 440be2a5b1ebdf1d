"""Closed folders for root too: child processes that obey the permissions of files."""

import ctypes
import os
import subprocess

import pytest

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def obey_permissions():
    """For a child process, before it starts: root loses what lets it pass closed folders."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise PermissionError("capabilities may not be dropped here")


@pytest.fixture
def obedient(tmp_path):
    """The `preexec_fn` of a child process that obeys permissions, whoever runs the tests."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    try:
        done = subprocess.run(["test", "-w", str(folder)], preexec_fn=obey_permissions)
    except subprocess.SubprocessError:
        pytest.skip("root may not drop its capabilities here, and passes closed folders")
    folder.rmdir()
    assert done.returncode == 1
    return obey_permissions
