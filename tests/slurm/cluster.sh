#!/usr/bin/env bash
# Set up Slurm on one machine, CPUs only, on the loopback:
#   tests/slurm/cluster.sh start FOLDER     prints the environment to use, one NAME=VALUE per line
#   tests/slurm/cluster.sh stop FOLDER
# Needs root and the packages slurm-wlm and munge of Debian or Ubuntu. All files are below FOLDER,
# and nothing else on the machine is changed. Environment: CPUS (4), of the node, whatever the
# machine has; PORT (16817), and the next one, must be free.
set -euo pipefail

if [ "$#" -ne 2 ] || { [ "$1" != start ] && [ "$1" != stop ]; }; then
    echo "usage: $0 start|stop FOLDER" >&2
    exit 2
fi

stop() { # the daemons that this script started, the controller first
    for name in slurmctld slurmd munged; do
        pid=$(cat "$FOLDER/$name.pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
}

mkdir -p "$2"
FOLDER=$(cd "$2" && pwd)
if [ "$1" = stop ]; then
    stop
    exit
fi

for name in munged slurmctld slurmd; do
    command -v "$name" >/dev/null || {
        echo "error: $name is not installed: apt-get install slurm-wlm munge" >&2
        exit 2
    }
done
HOST=$(hostname -s)
CPUS=${CPUS:-4}
PORT=${PORT:-16817}
mkdir -p "$FOLDER"/{state,spool}
chmod 755 "$FOLDER"
(umask 077 && head -c 1024 /dev/urandom >"$FOLDER/munge.key")
# Other users may not write into the folders above the socket, which a temporary folder allows.
munged --force --key-file="$FOLDER/munge.key" --socket="$FOLDER/munge.socket" \
    --pid-file="$FOLDER/munged.pid" --log-file="$FOLDER/munged.log" \
    --seed-file="$FOLDER/munged.seed" 2>>"$FOLDER/munged.log"
cat >"$FOLDER/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=$PORT
SlurmdPort=$((PORT + 1))
SlurmUser=root
AuthType=auth/munge
# A requeued job waits until its credentials have expired.
AuthInfo=socket=$FOLDER/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
# The machine may have fewer CPUs and less memory than the node says.
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
MpiDefault=none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=2,batch_sched_delay=0
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=$CPUS State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL PriorityTier=2 PreemptMode=OFF
END
export SLURM_CONF=$FOLDER/slurm.conf
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 100); do
    if [ "$(sinfo -h -p low -o %t 2>/dev/null)" = idle ]; then
        echo "SLURM_CONF=$SLURM_CONF"
        exit
    fi
    sleep 0.2
done
echo "error: the node does not become idle; see the logs in $FOLDER" >&2
stop
exit 1
