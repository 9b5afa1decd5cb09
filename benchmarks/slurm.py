"""A study on Slurm: the bytes of a local run, a killed job that runs again, and a job that lacks memory.

    python benchmarks/slurm.py

Starts munge, slurmctld and slurmd of this machine as a cluster of one node on loopback (Debian: apt-get install
slurm-wlm munge), with memory limited by cgroups, and stops them at the end. Needs root. Prints a line for each trial,
or why there is none.
"""

import argparse
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import fault_study  # noqa: E402
from fault_runs import contents  # noqa: E402

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
CGROUPS = Path("/sys/fs/cgroup/memory")
TRAINED = "results/tiny/batch/visits/network/mapped.h5ad"
CONFIGURATION = """ClusterName=magan
SlurmctldHost={host}(127.0.0.1)
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmctldPort={port}
SlurmdPort={next_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
MpiDefault=none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class NoClusterError(Exception):
    """A cluster cannot be started here; the text says why."""


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Run a cluster of this machine; `SLURM_CONF` names it."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if lacking:
        raise NoClusterError(f"{', '.join(lacking)} not installed; apt-get install slurm-wlm munge")
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        raise NoClusterError("snakemake-executor-plugin-slurm is not installed; pip install magan[slurm]")
    if os.getuid() != 0:
        raise NoClusterError("slurmd needs root")
    if not CGROUPS.is_dir():
        raise NoClusterError(f"no memory cgroup of version 1 at {CGROUPS}")
    munge = folder / "munge"
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(parents=True)
    (munge / "key").write_bytes(os.urandom(1024))
    (munge / "key").chmod(0o600)
    for path in (munge, munge / "key"):
        shutil.chown(path, "munge" if "munge" in {user.pw_name for user in pwd.getpwall()} else "root")
    host, memory = socket.gethostname().split(".")[0], os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    values = {"host": host, "folder": folder, "port": port, "next_port": port + 1}
    values |= {"cores": os.cpu_count(), "memory": int(0.9 * memory / 2**20)}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
    (folder / "cgroup.conf").write_text(
        "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\n"
    )
    os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
    places = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    started = ["munged", *(f"--{option}={munge / name}" for option, name in places.items())]
    try:
        _start(started, user=munge.owner())
        for daemon in ("slurmctld", "slurmd"):
            _start([daemon, "-f", str(folder / "slurm.conf")])
        _until(lambda: "idle" in _said("sinfo", "--noheader"), 60, f"the node is not idle: {_said('sinfo')}")
        yield
    finally:
        for pid in (folder / "slurmd.pid", folder / "slurmctld.pid", munge / "pid"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int(pid.read_text()), signal.SIGTERM)
        time.sleep(3)


def _start(command: list[str], user: str | None = None) -> None:
    program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or command[0]
    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, user=user)
    if done.returncode:
        raise NoClusterError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _until(holds: Callable[[], bool], seconds: float, sentence: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise NoClusterError(sentence)
        time.sleep(0.1)


def snakemake(folder: Path, *arguments: str, on_slurm: bool = True) -> subprocess.Popen:
    """Start Snakemake on a study in a folder; what it says is in ``snakemake.txt``."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile")]
    command += ["--directory", str(folder), *arguments]
    if on_slurm:
        command += ["--profile", str(ROOT / "workflow" / "profiles" / "slurm"), "--slurm-no-account"]
        # A cluster without a database of accounts answers squeue alone, and one node needs no patience.
        command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]
        command += ["--latency-wait", "5"]
    else:
        command += ["--cores", "1"]
    with (folder / "snakemake.txt").open("w") as said:
        return subprocess.Popen(
            [*command, "--configfile", str(folder / "study.yaml")],
            stdout=said,
            stderr=said,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        )


def report(name: str, holds: bool, folder: Path, start: float) -> bool:
    print(f"{name}: {'yes' if holds else 'NO'}, {time.monotonic() - start:.0f} s", flush=True)
    if not holds:
        print((folder / "snakemake.txt").read_text()[-3000:])
    return holds


def same_bytes(local: Path, folder: Path) -> bool:
    fault_study.write(folder, only=("batch",))
    start = time.monotonic()
    code = snakemake(folder).wait()
    jobs = _said("squeue", "--noheader", "--states=all", "--format=%T").split()
    print(f"{len(jobs)} jobs of Slurm: {', '.join(sorted(set(jobs)))}", flush=True)
    return report("the bytes of a local run", code == 0 and contents(folder) == contents(local), folder, start)


def killed_job(local: Path, folder: Path) -> bool:
    """Cancel the job of a training while it trains: the same run starts it again."""
    _without_training(local, folder)
    start, main = time.monotonic(), snakemake(folder, TRAINED)
    while main.poll() is None and not any((folder / "logs").rglob("train/**/*.log")):
        time.sleep(0.1)
    subprocess.run(["scancel", "--signal=KILL", "--full", *_said("squeue", "--noheader", "--format=%i").split()])
    code, said = main.wait(), (folder / "snakemake.txt").read_text()
    holds = code == 0 and "Trying to restart job" in said and contents(folder) == contents(local)
    return report("a killed job runs again, to the same bytes", holds, folder, start)


def job_without_memory(local: Path, folder: Path) -> bool:
    """Give a training too little memory: Slurm's reason is said; with enough memory it goes on."""
    _without_training(local, folder)
    start = time.monotonic()
    code = snakemake(folder, TRAINED, "--set-resources", "train:mem_mb=250", "train:gpu=0", "--retries", "0").wait()
    said = (folder / "snakemake.txt").read_text()
    named = code != 0 and "OUT_OF_MEMORY" in said and "rule train" in said
    holds = snakemake(folder, TRAINED).wait() == 0 and contents(folder) == contents(local)
    return report("a job out of memory is named, and goes on with more", named and holds, folder, start)


def _without_training(local: Path, folder: Path) -> None:
    shutil.copytree(local, folder, ignore=shutil.ignore_patterns("logs"))
    shutil.rmtree((folder / TRAINED).parent)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            with cluster(folder / "cluster"):
                local = folder / "local"
                fault_study.write(local, only=("batch",))
                if snakemake(local, on_slurm=False).wait():
                    raise RuntimeError((local / "snakemake.txt").read_text()[-3000:])
                trials = (same_bytes, killed_job, job_without_memory)
                sys.exit(not all([trial(local, folder / trial.__name__) for trial in trials]))
        except NoClusterError as error:
            print(f"left out: {error}")


if __name__ == "__main__":
    main()
