#!/usr/bin/env bash
# A real Slurm on emulated hosts (emulate.sh): controller, a daemon on each host, and munge, all in one folder.
# `slurm.sh --help` explains; docs/cluster-on-one-machine.md has measurements.
set -euo pipefail

usage() {
    cat << 'HELP'
A Slurm cluster on this machine: hosts h1, h2, … (emulate.sh) with slurmctld, a slurmd on each, and a munged of its own.

  slurm.sh [--state DIR] up N [RATE] [--slots K] [--gpus K] [--install]
                                         N hosts with K processors each (1) on links of RATE (none); --gpus: hosts that
                                         say they have K GPUs, for job scripts that ask for some; --install: apt-get
                                         installs what is missing
  slurm.sh [--state DIR] run JOB ARGUMENTS…     submits a job script and waits for its end
  slurm.sh [--state DIR] exec COMMAND…          a command on h1: sbatch, squeue, scontrol, srun …
  slurm.sh [--state DIR] kill HOST              the host dies; Slurm notices within half a minute
  slurm.sh [--state DIR] revive HOST            the host is there again, and takes jobs
  slurm.sh [--state DIR] status                 hosts and jobs
  slurm.sh [--state DIR] down                   ends Slurm, its jobs and the hosts, and removes everything

Examples
  slurm.sh up 2 1gbit
  slurm.sh exec sinfo
  slurm.sh run job.sbatch
  slurm.sh down

Everything is in one folder: --state, or TRAINYARD_STATE, or trainyard-emulation-USER in TMPDIR (/tmp). No file of a Slurm
or munge that this machine has is read or changed. Needs root. The controller is on h1, so h1 cannot be killed.

Exit codes: 0 done, 1 failed, 2 bad usage; run and exec end with the job's or the command's own.
HELP
}

fail() { printf 'slurm: %s\n' "$1" >&2; exit "${2:-1}"; }
misuse() { fail "$1" 2; }

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
state=${TRAINYARD_STATE:-${TMPDIR:-/tmp}/trainyard-emulation-$(id -un)}
if [ "${1:-}" = --state ]; then
    [ $# -ge 2 ] || misuse "--state needs a folder: slurm.sh --state DIR up 2"
    state=$2
    shift 2
fi
[ $# -gt 0 ] || { usage >&2; exit 2; }
command=$1
shift
case $command in
    -h | --help | help) usage; exit 0 ;;
    up | run | exec | kill | revive | status | down) ;;
    *) misuse "'$command' is no command: up, run, exec, kill, revive, status or down (slurm.sh --help)" ;;
esac
state=$(readlink -m -- "$state")
folder=$state/slurm
[ "$(id -u)" = 0 ] || fail "the hosts need root: sudo $0 $command …"

emulate() { "$here/emulate.sh" --state "$state" "$@"; }
# This cluster's configuration, never the machine's. BIND_TO is for job scripts: all hosts share the machine's cores, so an
# mpirun must not bind each host's ranks to the first of them.
on() { emulate exec "$1" env "SLURM_CONF=$folder/slurm.conf" "BIND_TO=${BIND_TO:-none}" "${@:2}"; }
need_up() { [ -e "$folder/ready" ] || fail "no Slurm in $state; start one: slurm.sh up 2"; }
is_host() { [[ $1 =~ ^h[1-9][0-9]{0,2}$ ]] || misuse "'$1' is no host: h2, h3 …"; }
# The daemons of Debian are in /usr/sbin, which the path of a user may lack.
PATH=$PATH:/usr/sbin:/sbin
export PATH

need_packages() {
    local missing=() tool
    for tool in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge; do
        command -v "${tool%%:*}" > /dev/null || missing+=("${tool#*:}")
    done
    compgen -G '/usr/lib/*/slurm*/mpi_pmix*.so' > /dev/null || missing+=(slurm-wlm-basic-plugins)
    [ "${#missing[@]}" -gt 0 ] || return 0
    if [ "$1" = yes ]; then
        # Their services are for the machine; this cluster starts its own.
        { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } > "$2" 2>&1 ||
            fail "apt-get could not install ${missing[*]}: $(tail -n 1 "$2")"
    else
        fail "missing: ${missing[*]}; add --install, or: apt-get install --no-install-recommends ${missing[*]}"
    fi
}

write_configuration() {
    local hosts=$1 slots=$2 gpus=$3 number
    {
        cat << CONFIGURATION
ClusterName=trainyard
SlurmctldHost=h1(10.77.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A job that starts again waits until its old credentials have run out: 120 s unless said.
AuthInfo=socket=$folder/munge/socket,cred_expire=10
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/spool/%n
# PMIx makes its folders here: one for all nodes would be one node's folders in the way of another's.
TmpFS=$state/%n/tmp
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
TaskProlog=$folder/task-prolog
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
# Processors are what this file says: the hosts share the machine's.
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
KillWait=5
JobRequeue=1
CONFIGURATION
        [ "$gpus" = 0 ] || echo GresTypes=gpu
        echo "NodeName=h[1-$hosts] NodeAddr=10.77.0.[1-$hosts] CPUs=$slots RealMemory=1000$(
            [ "$gpus" = 0 ] || echo " Gres=gpu:$gpus") State=UNKNOWN"
        echo "PartitionName=all Nodes=h[1-$hosts] Default=YES MaxTime=INFINITE State=UP"
    } > "$folder/slurm.conf"
    if [ "$gpus" != 0 ]; then
        # Slurm counts a GPU for each device file, and opens none as long as it does not guard devices.
        mkdir "$folder/gpus"
        for ((number = 0; number < gpus; number++)); do touch "$folder/gpus/gpu$number"; done
        echo "NodeName=h[1-$hosts] Name=gpu File=$folder/gpus/gpu[0-$((gpus - 1))]" > "$folder/gres.conf"
    fi
    # Tasks take over the submitting host's environment; each host has a TMPDIR of its own.
    # shellcheck disable=SC2016 # the task's variable
    printf '#!/bin/sh\necho "export TMPDIR=%s/$SLURMD_NODENAME/tmp"\n' "$state" > "$folder/task-prolog"
    chmod 755 "$folder/task-prolog"
}

up() {
    local hosts='' rate='' slots=1 gpus=0 install=no number tries
    while [ $# -gt 0 ]; do
        case $1 in
            --slots | --gpus)
                [[ ${2:-} =~ ^[1-9][0-9]{0,2}$ ]] || misuse "$1 needs a number, such as $1 2"
                if [ "$1" = --slots ]; then slots=$2; else gpus=$2; fi
                shift 2 ;;
            --install) install=yes; shift ;;
            -*) misuse "up has no option $1: up N [RATE] [--slots K] [--gpus K] [--install]" ;;
            *)
                if [ -z "$hosts" ]; then hosts=$1; elif [ -z "$rate" ]; then rate=$1; else misuse "'$1' is too much: up N [RATE]"; fi
                shift ;;
        esac
    done
    [ -n "$hosts" ] || misuse "up takes a number of hosts: slurm.sh up 2"
    # The path of a socket has at most 107 characters.
    [ "${#state}" -le 60 ] || misuse "--state: a path of at most 60 characters"
    # Before anything exists that would have to go again.
    local log
    log=$(mktemp)
    # shellcheck disable=SC2064 # this file, whatever becomes of the variable
    trap "rm -f '$log'" EXIT
    need_packages "$install" "$log"
    rm -f "$log"
    trap - EXIT

    emulate up "$hosts" "${rate:-none}" --slots "$slots"
    # A half-made cluster goes again, whatever stops this shell.
    trap 'trap "" INT TERM HUP; emulate down' EXIT
    trap 'exit 1' INT TERM HUP
    mkdir -p "$folder/munge" "$folder/controller" "$folder/log"
    for ((number = 1; number <= hosts; number++)); do mkdir -p "$folder/spool/h$number"; done
    write_configuration "$hosts" "$slots" "$gpus"

    # A munged of its own; it is on h1 and ends with it. Hosts share files, so its socket serves them all.
    # --force: a folder that is closed to other users (mktemp) is no mistake, all of this cluster is root's.
    head -c 128 /dev/urandom > "$folder/munge/key"
    chmod 400 "$folder/munge/key"
    on h1 munged --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" --pid-file="$folder/munge/pid" \
        --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" 2> "$folder/log/munged.errors" ||
        fail "munged does not start: $(tail -n 1 "$folder/log/munged.errors")"
    on h1 slurmctld -c -f "$folder/slurm.conf" 2> "$folder/log/slurmctld.errors" ||
        fail "slurmctld does not start: $(tail -n 1 "$folder/log/slurmctld.errors")"
    for ((number = 1; number <= hosts; number++)); do start_daemon "h$number"; done
    for ((tries = 0; tries < 60; tries++)); do
        if [ "$(on h1 sinfo -h -N -o %T 2> /dev/null | grep -cx idle)" = "$hosts" ]; then
            touch "$folder/ready"
            trap - EXIT INT TERM HUP
            on h1 sinfo
            return
        fi
        sleep 0.5
    done
    fail "the hosts are not ready after 30 s: $(on h1 sinfo -h -N -o '%N %T, %E' 2>&1 | head -n 1)"
}

start_daemon() {
    on "$1" slurmd -N "$1" -f "$folder/slurm.conf" 2> "$folder/log/slurmd-$1.errors" ||
        fail "slurmd does not start on $1: $(tail -n 1 "$folder/log/slurmd-$1.errors")"
}

# Submits a job, says where it is, and ends as it does. `sbatch --wait` would look every ten seconds only.
run() {
    local job record code line='' last=''
    job=$(on h1 sbatch --parsable "$@") || exit $?
    job=${job%%;*}
    trap 'on h1 scancel "$job"; exit 130' INT
    trap 'on h1 scancel "$job"; exit 143' TERM HUP
    while sleep 0.5; do
        record=$(on h1 scontrol --oneliner show job "$job" 2> /dev/null) || continue
        [[ $record =~ \ JobState=([A-Z_]+) ]] || continue
        line="job $job: ${BASH_REMATCH[1]}"
        if [[ $line == *RUNNING && $record =~ \ NodeList=([^ ]+) ]]; then line+=" on ${BASH_REMATCH[1]}"; fi
        [ "$line" = "$last" ] || printf '%s\n' "$line" >&2
        last=$line
        case $line in
            *NODE_FAIL) [[ $record == *" Requeue=1 "* ]] || break ;;
            *COMPLETED | *FAILED | *CANCELLED | *TIMEOUT | *DEADLINE | *BOOT_FAIL | *OUT_OF_MEMORY) break ;;
        esac
    done
    if [[ $line == *FAILED && $record =~ \ StdOut=([^ ]+) ]] && [ ! -d "$(dirname -- "${BASH_REMATCH[1]}")" ]; then
        printf 'slurm: the folder of the log %s is missing; Slurm makes none\n' "${BASH_REMATCH[1]}" >&2
    fi
    # The exit code, and the signal where one ended the job.
    [[ $record =~ \ ExitCode=([0-9]+):([0-9]+) ]] || exit 1
    code=${BASH_REMATCH[1]}
    if [ "${BASH_REMATCH[2]}" != 0 ]; then code=$((128 + BASH_REMATCH[2])); fi
    # A job that was cancelled or out of time may have no code of its own.
    [[ $line == *COMPLETED ]] || [ "$code" != 0 ] || code=1
    exit "$code"
}

case $command in
    up) up "$@" ;;
    run)
        need_up
        [ $# -ge 1 ] || misuse "run takes a job script: slurm.sh run job.sbatch"
        run "$@" ;;
    exec)
        need_up
        [ $# -ge 1 ] || misuse "exec takes a command: slurm.sh exec squeue"
        on h1 "$@" ;;
    kill)
        need_up
        [ $# = 1 ] || misuse "kill takes a host: slurm.sh kill h2"
        is_host "$1"
        [ "$1" != h1 ] || misuse "h1 runs the controller; kill another host"
        emulate kill "$1" ;;
    revive)
        need_up
        [ $# = 1 ] || misuse "revive takes a host: slurm.sh revive h2"
        is_host "$1"
        emulate revive "$1"
        start_daemon "$1" ;;
    status)
        need_up
        emulate status
        on h1 sinfo -N -o '%N %T %E'
        on h1 squeue ;;
    down)
        [ $# = 0 ] || misuse "down takes no arguments"
        emulate down ;;
esac
