"""A SLURM of its own on this machine: munge, controller and node in a private folder, with eight GPUs that are none.

Runs as root without systemd, on ports and sockets of its own, and is stopped by its own pid files. Accounting needs a
database server; what submitit asks of it is answered by a few lines that ask the controller.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")

CONFIGURATION = """\
ClusterName=vlit
SlurmctldHost=localhost
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/completed
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=1,sched_min_interval=0
ReturnToService=2
MinJobAge=36000
KillWait=5
JobRequeue=1
SlurmctldTimeout=300
SlurmdTimeout=300
MessageTimeout=60
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=localhost CPUs=16 RealMemory=64000 Gres=gpu:v100:8
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""

SACCT = """\
#!/bin/sh
# JobID|State|NodeList of the jobs that are named, from the controller
echo 'JobID|State|NodeList'
while [ $# -gt 0 ]; do
  case "$1" in
  -j) scontrol --oneliner show job "$2" 2>/dev/null | awk '{
        id = state = list = array = task = ""
        for (i = 1; i <= NF; i++) {
          split($i, pair, "=")
          if (pair[1] == "JobId") id = pair[2]
          if (pair[1] == "ArrayJobId") array = pair[2]
          if (pair[1] == "ArrayTaskId") task = pair[2]
          if (pair[1] == "JobState") state = pair[2]
          if (pair[1] == "NodeList") list = pair[2]
        }
        print (array == "" ? id : array "_" (task ~ /^[0-9]+$/ ? task : "[" task "]")) "|" state "|" list
      }'
      shift ;;
  esac
  shift
done
"""


def missing() -> str | None:
    """Why there can be no SLURM here, or None."""
    if os.geteuid() != 0:
        return "SLURM's daemons are started as root, which we are not"
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (apt-get install slurmctld slurmd slurm-client munge)"
    return None


class Cluster:
    """Daemons in a folder, and the environment in which clients find them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("run", "log", "state", "spool", "dev", "bin"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        (folder / "run").chmod(0o755)
        ports = {"controller": _free_port(), "node": _free_port()}
        (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, **ports))
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (folder / "gres.conf").write_text(f"Name=gpu Type=v100 File={folder}/dev/nvidia[0-7]\n")
        for number in range(8):
            os.mknod(folder / "dev" / f"nvidia{number}", 0o666 | 0o020000, os.makedev(1, 3))  # each is /dev/null
        (folder / "bin" / "sacct").write_text(SACCT)
        (folder / "bin" / "sacct").chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
        }

    def start(self) -> None:
        """Start the daemons and wait until a job has run."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        run, log = self.folder / "run", self.folder / "log"
        self._daemon(
            "munged", f"--key-file={key}", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid",
            f"--log-file={log}/munged.log", f"--seed-file={run}/munged.seed", "--num-threads=10", "--force",
        )  # fmt: skip
        self.start_controller()
        self._daemon("slurmd", "-c", "-f", str(self.folder / "slurm.conf"), "-N", "localhost")
        self.until(lambda: self.run("srun", "--immediate=60", "true", check=False).returncode == 0, 120)

    def start_controller(self, *options: str) -> None:
        """Start slurmctld."""
        self._daemon("slurmctld", "-i", *options, "-f", str(self.folder / "slurm.conf"))

    def stop_controller(self) -> None:
        """Stop slurmctld and wait for its end."""
        self._stop("slurmctld")

    def stop(self) -> None:
        """Cancel all jobs and stop the daemons, the node first."""
        self.run("scancel", "--state=PENDING", "--user=root", check=False)
        self.run("scancel", "--user=root", check=False)
        try:
            self.until(lambda: not self.run("squeue", "-h", check=False).stdout.strip(), 60)
        finally:
            for daemon in ("slurmd", "slurmctld", "munged"):
                self._stop(daemon)

    def run(self, *command: str, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        """A client's command."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, **options)  # type: ignore[call-overload]
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done

    def show(self, job: str) -> dict[str, str]:
        """Fields of a job, from the controller."""
        words = self.run("scontrol", "--oneliner", "show", "job", job).stdout.split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    @staticmethod
    def until(condition: object, seconds: float, every: float = 0.5) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + seconds
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(every)

    def _daemon(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def _stop(self, daemon: str) -> None:
        file = self.folder / "run" / f"{daemon}.pid"
        if not file.exists():
            return
        pid = int(file.read_text())
        os.kill(pid, signal.SIGTERM)
        self.until(lambda: not Path(f"/proc/{pid}").exists(), 60, 0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])
