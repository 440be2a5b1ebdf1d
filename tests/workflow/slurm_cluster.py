"""A Slurm cluster of two nodes on this machine, each with two pretended GPUs.

All of its files are in one folder, and nothing outside of it is read or changed. There is no
accounting, as on small clusters. Only root can start it, since slurmd starts jobs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CLIENTS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo", "sacct")
DAEMONS = ("munged", "slurmctld", "slurmd", "setpriv")

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/note_devices.sh
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=1,sched_interval=2
GresTypes=gpu
MinJobAge=3600
KillWait=10
ReturnToService=2
NodeName=DEFAULT CPUs=4 RealMemory=128000 Gres=gpu:2
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={port_of_one}
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={port_of_two}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Any two character devices will do for GPUs.
DEVICES = """\
NodeName=one,two Name=gpu File=/dev/null
NodeName=one,two Name=gpu File=/dev/zero
"""
NODES = ("one", "two")

# The executor plugin drops SLURM_CONF, with all of Slurm's variables, before it calls srun.
CLIENT = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {program} "$@"\n'
PROLOG = '#!/bin/sh\necho "$SLURM_JOB_ID ${{CUDA_VISIBLE_DEVICES-none}}" >> {folder}/devices.txt\n'


def reason_for_none() -> str | None:
    """Says why no cluster can be started here; None if one can."""
    absent = [program for program in (*CLIENTS, *DAEMONS) if shutil.which(program) is None]
    if absent:
        return f"Slurm is not installed (no {', '.join(absent)})"
    return None if os.getuid() == 0 else "only root can start slurmd"


class SlurmCluster:
    """The cluster; `environment` leads programs to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: list[subprocess.Popen] = []
        self.environment = {
            "SLURM_CONF": f"{folder}/slurm.conf",
            "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Returns when the nodes wait for jobs."""
        names = {"folder": self.folder, "host": socket.gethostname().partition(".")[0]}
        ports = {"controller_port": _free_port()}
        ports |= {f"port_of_{name}": _free_port() for name in NODES}
        for name in ("bin", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self._write("slurm.conf", CONFIGURATION.format(**names, **ports), 0o644)
        self._write("gres.conf", DEVICES, 0o644)
        self._write("note_devices.sh", PROLOG.format(**names), 0o755)
        for program in CLIENTS:
            text = CLIENT.format(**names, program=shutil.which(program))
            self._write(f"bin/{program}", text, 0o755)
        self._write("munge.key", os.urandom(64).hex(), 0o400)
        files = {
            f"--{name}-file": self.folder / f"munge.{name}"
            for name in ("key", "pid", "log", "seed")
        }
        options = [str(word) for pair in files.items() for word in pair]
        socket_of = self.folder / "munge.socket"
        self._start("munged", "--foreground", "--force", "--socket", str(socket_of), *options)
        wait_until(socket_of.exists, "munged runs", 20)
        self._start("slurmctld", "-D", "-i")
        for name in NODES:
            self._start("slurmd", "-D", "-N", name)
        idle = ("sinfo", "-h", "-t", "idle", "-o", "%D")
        wait_until(lambda: self.command(*idle).strip() == "2", "the nodes are idle", 30)

    def stop(self) -> None:
        """Ends all jobs and the daemons."""
        if len(self.daemons) == 4:
            self.command("scancel", "--user", "root", "--signal", "KILL")
            self.command("scancel", "--user", "root")
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not self.command("squeue", "-h").strip(), "jobs have ended", 20)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()

    def command(self, *words: str | Path, environment: dict[str, str] | None = None) -> str:
        """Returns what one of Slurm's commands prints; fails never."""
        environment = environment or {**os.environ, **self.environment}
        return subprocess.run(words, env=environment, text=True, capture_output=True).stdout

    def jobs(self, *columns: str) -> list[list[str]]:
        """Returns these columns of `squeue -O` for all jobs so far."""
        form = ",".join(f"{column}:200" for column in columns)
        lines = self.command("squeue", "-h", "--states=all", "-O", form).splitlines()
        return [
            [line[i * 200 : (i + 1) * 200].strip() for i in range(len(columns))] for line in lines
        ]

    def jobs_of(self, rule: str, state: str) -> list[str]:
        """Returns the numbers of a rule's jobs in a state; '' for all rules."""
        rows = self.jobs("jobid", "comment", "state")
        return [job for job, comment, now in rows if rule in comment and now == state]

    def nodes_of(self, rule: str) -> list[str]:
        """Returns on which nodes a rule's jobs are running."""
        rows = self.jobs("comment", "nodelist", "state")
        return [nodes for comment, nodes, now in rows if rule in comment and now == "RUNNING"]

    def devices(self) -> dict[str, set[str]]:
        """Returns CUDA_VISIBLE_DEVICES as the tasks of each job saw it; `none` where it is unset."""
        seen: dict[str, set[str]] = {}
        for line in (self.folder / "devices.txt").read_text().splitlines():
            job, device = line.split()
            seen.setdefault(job, set()).add(device)
        return seen

    def _write(self, name: str, text: str, mode: int) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)

    def _start(self, *words: str) -> None:
        # A daemon dies with the tests, even if they are killed.
        command = ["setpriv", "--pdeathsig", "TERM", *words]
        with (self.folder / f"{words[0]}.out").open("ab") as log:
            self.daemons.append(
                subprocess.Popen(
                    command, env={**os.environ, **self.environment}, cwd=self.folder,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                )
            )  # fmt: skip


@contextlib.contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Yields a running cluster, and takes it down whatever happens."""
    cluster = SlurmCluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def wait_until(ready: Callable[[], object], what: str, seconds: float) -> None:
    """Raises TimeoutError, which names `what`, if that is not so in time."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
