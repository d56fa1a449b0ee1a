#!/usr/bin/env bash
# Several hosts on one machine: network namespaces joined by a bridge, with a limit on every link.
# `emulate.sh --help` explains; docs/cluster-on-one-machine.md has measurements.
set -euo pipefail

usage() {
    cat << 'HELP'
Hosts h1, h2, … on one machine, joined by links of a given rate, for runs over a real network stack.

  emulate.sh [--state DIR] up N RATE [--slots K]   N hosts; RATE is 100mbit, 2.5gbit … or none (no limit)
  emulate.sh [--state DIR] mpirun ARGUMENTS…       Open MPI over all hosts, K ranks on each (1 unless --slots)
  emulate.sh [--state DIR] exec HOST COMMAND…      a command on one host
  emulate.sh [--state DIR] kill HOST               the host dies: its processes and its link
  emulate.sh [--state DIR] revive HOST             the host is there again, with nothing running
  emulate.sh [--state DIR] status                  hosts, rate, processes
  emulate.sh [--state DIR] down                    ends all processes of the hosts and removes everything

Examples
  emulate.sh up 2 1gbit
  emulate.sh exec h1 ping -c 1 h2
  emulate.sh mpirun -n 2 trainyard-train plans/strategies/data.yaml --steps 5
  emulate.sh down

A host has its own network (10.77.0.1 for h1, …), name, /etc/hosts, /dev/shm and TMPDIR. Processor cores, memory and
files are the machine's, so ranks are not bound to cores. Latency cannot be set. mpirun starts on h1.

Everything is in one folder: --state, or TRAINYARD_STATE, or trainyard-emulation-USER in TMPDIR (/tmp). Two folders are
two emulations, which do not see each other. Needs root.

Exit codes: 0 done, 1 failed, 2 bad usage; exec and mpirun end with the command's own.
HELP
}

fail() { printf 'emulate: %s\n' "$1" >&2; exit "${2:-1}"; }
misuse() { fail "$1" 2; }

# `need TOOL PACKAGE`
need() { command -v "$1" > /dev/null || fail "$1 is missing; install it with: apt-get install $2"; }

self=$(readlink -f -- "${BASH_SOURCE[0]}")
state=${TRAINYARD_STATE:-${TMPDIR:-/tmp}/trainyard-emulation-$(id -un)}
if [ "${1:-}" = --state ]; then
    [ $# -ge 2 ] || misuse "--state needs a folder: emulate.sh --state DIR up 2 1gbit"
    state=$2
    shift 2
fi
[ $# -gt 0 ] || { usage >&2; exit 2; }
command=$1
shift
case $command in
    -h | --help | help) usage; exit 0 ;;
    up | mpirun | exec | kill | revive | status | down | agent) ;;
    *) misuse "'$command' is no command: up, mpirun, exec, kill, revive, status or down (emulate.sh --help)" ;;
esac
state=$(readlink -m -- "$state")
# Open MPI splits the name of the program that starts its daemons at spaces, and reads other characters as its own.
[[ $state =~ ^/[A-Za-z0-9._/+@-]+$ ]] || misuse "--state $state: use letters, digits and . _ + @ - / only"
[ "$(id -u)" = 0 ] || fail "network namespaces need root: sudo $0 $command …"

# What tells the processes of this emulation from all others: a number made of the folder's path.
id=$(printf '%s' "$state" | sha256sum)
id=${id:0:12}
own_network=$(readlink /proc/self/ns/net)

# A host is a process that sleeps in the host's namespaces: they last while any process is in them.
holder_name() { printf 'trainyard-host-%s-%s' "$id" "$1"; }

# The number of the process that keeps a host (or the switch); fails where there is none.
holder() {
    local process
    process=$(cat "$state/$1/process" 2> /dev/null) && [[ $process =~ ^[0-9]+$ ]] || return 1
    # Numbers of processes are used again, so the name is compared.
    grep -qzxF -- "$(holder_name "$1")" "/proc/$process/cmdline" 2> /dev/null || return 1
    echo "$process"
}

is_up() { [ -e "$state/emulation" ]; }
# Reads `hosts`, `rate`, `slots` and `made` that `up` wrote.
read_settings() {
    local name value
    is_up || fail "no emulation in $state; start one: emulate.sh up 2 1gbit"
    while IFS='=' read -r name value; do
        case $name in
            hosts) hosts=$value ;;
            rate) rate=$value ;;
            slots) slots=$value ;;
            made) made=$value ;;
        esac
    done < "$state/emulation"
}
need_host() {
    if ! [[ $1 =~ ^h([1-9][0-9]{0,2})$ ]] || [ "${BASH_REMATCH[1]}" -gt "$hosts" ]; then
        misuse "'$1' is no host of this emulation: h1 to h$hosts"
    fi
}

# `enter PROCESS COMMAND…`: in the namespaces that the process is in.
enter() {
    local process=$1
    shift
    nsenter --target "$process" --net --mount --uts -- "$@"
}

# Starts the process that keeps a host's namespaces. Its mounts are private: nothing of them shows outside.
hold() {
    local host=$1 process tries
    mkdir -p "$state/$host/tmp"
    chmod 1777 "$state/$host/tmp"
    # shellcheck disable=SC2016 # the inner shell's variables
    setsid unshare --net --mount --uts --propagation private bash -c '
        set -e
        hostname "$1"
        if [ "$1" != switch ]; then
            mount --bind "$2/hosts" /etc/hosts
            mount -t tmpfs -o mode=1777 trainyard /dev/shm
        fi
        ip link set lo up
        echo $$ > "$2/$1/process.new"
        mv "$2/$1/process.new" "$2/$1/process"
        exec -a "$3" sleep infinity' hold "$host" "$state" "$(holder_name "$host")" \
        < /dev/null > /dev/null 2> "$state/$host/errors" &
    process=$!
    disown # the shell says nothing when it is killed
    # `clear_all` ends it where it has not come to its name yet.
    starting=$process
    for ((tries = 0; tries < 100; tries++)); do
        if holder "$host" > /dev/null; then starting=; return; fi
        kill -0 "$process" 2> /dev/null || break
        sleep 0.05
    done
    fail "the kernel makes no namespaces for $host: $(tr '\n' ' ' < "$state/$host/errors" | cut -c 1-200)"
}

# Limits what one end of a link sends. Bursts of a millisecond pass at once; a packet of the kernel's largest size must too.
limit() {
    local process=$1 interface=$2 bytes
    [ "$rate" = none ] && return
    bytes=$(awk -v rate="$rate" 'BEGIN {
        number = rate + 0; unit = rate; sub(/^[0-9.]+/, "", unit)
        factor["bit"] = 1; factor["kbit"] = 1e3; factor["mbit"] = 1e6; factor["gbit"] = 1e9
        burst = number * factor[unit] / 8 / 1000
        printf "%d", burst < 65536 ? 65536 : burst }')
    enter "$process" tc qdisc add dev "$interface" root tbf rate "$rate" burst "$bytes" latency 50ms ||
        fail "the kernel cannot limit links (tc tbf); without a limit: up $hosts none"
}

# Joins a host to the switch.
connect() {
    local number=$1 process switch
    process=$(holder "h$number")
    switch=$(holder switch)
    ip link add "p$number" netns "$switch" type veth peer name eth0 netns "$process"
    enter "$switch" ip link set "p$number" master br0 up
    enter "$process" ip addr add "10.77.0.$number/24" dev eth0
    enter "$process" ip link set eth0 up
    # Both directions: what the host sends, and what it receives.
    limit "$process" eth0
    limit "$switch" "p$number"
}

# Kills every process in the namespaces of a process, that one last. New ones may start meanwhile, so it looks until none is
# left.
clear_host() {
    local process=$1 network other found tries
    network=$(readlink "/proc/$process/ns/net" 2> /dev/null) || return 0
    # Never the namespace of this shell: that would be the machine, or the host that somebody calls from.
    [ "$network" != "$own_network" ] || fail "call this from outside the hosts"
    for ((tries = 0; tries < 200; tries++)); do
        found=
        for other in /proc/[0-9]*; do
            [ "$(readlink "$other/ns/net" 2> /dev/null)" = "$network" ] || continue
            other=${other#/proc/}
            [ "$other" = "$process" ] && continue
            found=yes
            kill -KILL "$other" 2> /dev/null || true
        done
        [ -n "$found" ] || break
        sleep 0.02
    done
    kill -KILL "$process" 2> /dev/null || true
    for ((tries = 0; tries < 200; tries++)); do
        # A process that has ended but was not waited for has no namespaces.
        [ -n "$(readlink "/proc/$process/ns/net" 2> /dev/null)" ] || return 0
        sleep 0.02
    done
    fail "process $process does not end"
}

# Ends all and removes what `up` made, whatever there is of it.
clear_all() {
    local file process name
    # By name rather than by the folder's notes: these may be gone.
    if [ -n "${starting:-}" ]; then kill -KILL "$starting" 2> /dev/null || true; fi
    for file in /proc/[0-9]*/cmdline; do
        name=$({ tr '\0' ' ' < "$file"; } 2> /dev/null) || continue
        [[ $name == "trainyard-host-$id-"* ]] || continue
        process=${file#/proc/}
        clear_host "${process%/cmdline}"
    done
    is_up || return 0
    read_settings
    rm -rf -- "${state:?}"/h[0-9]* "$state/switch" "$state/slurm" "$state/hosts" "$state/hostfile" "$state/agent"
    rm -f -- "$state/emulation"
    if [ "${made:-}" = yes ]; then rmdir --ignore-fail-on-non-empty -- "$state"; fi
}

# `run_on PROCESS HOST COMMAND…`: the command replaces this shell, so signals reach it. Entering a host's mounts leaves the
# current folder, so it is entered again.
run_on() {
    local process=$1 host=$2
    shift 2
    exec nsenter --target "$process" --net --mount --uts -- env "--chdir=$PWD" \
        "TMPDIR=$state/$host/tmp" "HOSTNAME=$host" \
        OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
        "OMPI_MCA_hwloc_base_binding_policy=${OMPI_MCA_hwloc_base_binding_policy:-none}" \
        "OMPI_MCA_mpi_yield_when_idle=${OMPI_MCA_mpi_yield_when_idle:-1}" "$@"
}

living() { holder "$1" || fail "$1 is down; bring it back: emulate.sh revive $1"; }

up() {
    local number options=()
    slots=1
    while [ $# -gt 0 ]; do
        case $1 in
            --slots)
                [[ ${2:-} =~ ^[1-9][0-9]{0,2}$ ]] || misuse "--slots needs a number of ranks, such as --slots 2"
                slots=$2
                shift 2 ;;
            -*) misuse "up has no option $1: up N RATE [--slots K]" ;;
            *) options+=("$1"); shift ;;
        esac
    done
    [ "${#options[@]}" = 2 ] || misuse "up takes a number of hosts and a rate: emulate.sh up 2 1gbit"
    hosts=${options[0]}
    rate=${options[1],,}
    if ! [[ $hosts =~ ^[1-9][0-9]{0,2}$ ]] || [ "$hosts" -gt 250 ]; then misuse "'$hosts' hosts: 1 to 250"; fi
    [[ $rate =~ ^(none|[0-9]{1,9}(\.[0-9]{1,6})?([kmg]?bit))$ && ! $rate =~ ^0*(\.0*)?[kmg]?bit$ ]] ||
        misuse "'$rate' is no rate: 100mbit, 2.5gbit … or none"
    need ip iproute2
    need tc iproute2
    need nsenter util-linux
    need unshare util-linux
    is_up && fail "an emulation is up in $state; end it first: emulate.sh --state $state down" 2
    made=no
    if [ ! -e "$state" ]; then
        mkdir -p -- "$(dirname -- "$state")"
        mkdir -- "$state" || fail "$state: the folder cannot be made"
        made=yes
    fi
    if ! [ -d "$state" ] || ! [ -O "$state" ]; then misuse "$state is no folder of yours; give another: --state DIR"; fi
    [ "$made" = yes ] || [ -z "$(ls -A -- "$state")" ] || misuse "$state holds other files; give an empty folder: --state DIR"
    # Fails where another `up` was faster.
    (set -o noclobber; printf 'hosts=%s\nrate=%s\nslots=%s\nmade=%s\n' "$hosts" "$rate" "$slots" "$made" \
        > "$state/emulation") 2> /dev/null || fail "another emulation starts in $state" 2
    # A half-made emulation goes again, whatever stops this shell.
    trap 'trap "" INT TERM HUP; clear_all' EXIT
    trap 'exit 1' INT TERM HUP

    echo "127.0.0.1 localhost" > "$state/hosts"
    for ((number = 1; number <= hosts; number++)); do
        echo "10.77.0.$number h$number" >> "$state/hosts"
        echo "h$number slots=$slots" >> "$state/hostfile"
    done
    printf '#!/bin/sh\nexec %q --state %q agent "$@"\n' "$self" "$state" > "$state/agent"
    chmod 755 "$state/agent"
    hold switch
    enter "$(holder switch)" ip link add br0 type bridge
    enter "$(holder switch)" ip link set br0 up
    for ((number = 1; number <= hosts; number++)); do
        hold "h$number"
        connect "$number"
    done
    trap - EXIT INT TERM HUP
    echo "$hosts hosts, $([ "$rate" = none ] && echo 'links without a limit' || echo "every link $rate"), in $state"
}

status() {
    local number process network other count
    read_settings
    echo "$state: $hosts hosts, rate $rate, $slots ranks a host"
    for ((number = 1; number <= hosts; number++)); do
        if process=$(holder "h$number"); then
            network=$(readlink "/proc/$process/ns/net")
            count=-1
            for other in /proc/[0-9]*/ns/net; do
                [ "$(readlink "$other" 2> /dev/null)" = "$network" ] && count=$((count + 1))
            done
            echo "h$number  10.77.0.$number  up    $count processes"
        else
            echo "h$number  10.77.0.$number  down"
        fi
    done
}

case $command in
    up) up "$@" ;;
    down)
        [ $# = 0 ] || misuse "down takes no arguments"
        clear_all ;;
    status) status ;;
    exec)
        read_settings
        [ $# -ge 2 ] || misuse "exec takes a host and a command: emulate.sh exec h1 hostname"
        need_host "$1"
        process=$(living "$1")
        run_on "$process" "$@" ;;
    mpirun)
        read_settings
        need mpirun openmpi-bin
        process=$(living h1)
        export OMPI_MCA_plm_rsh_agent="$state/agent" OMPI_MCA_orte_default_hostfile="$state/hostfile"
        run_on "$process" h1 mpirun "$@" ;;
    agent)
        # mpirun calls it in place of ssh: options, a host, and a command line for a shell.
        while [[ ${1:-} == -* ]]; do shift; done
        read_settings
        [ $# -ge 2 ] || misuse "agent is for mpirun"
        need_host "$1"
        process=$(living "$1")
        host=$1
        shift
        run_on "$process" "$host" bash -c "$*" ;;
    kill)
        read_settings
        [ $# = 1 ] || misuse "kill takes a host: emulate.sh kill h2"
        need_host "$1"
        process=$(living "$1")
        clear_host "$process"
        rm -rf -- "${state:?}/$1" ;;
    revive)
        read_settings
        [ $# = 1 ] || misuse "revive takes a host: emulate.sh revive h2"
        need_host "$1"
        if holder "$1" > /dev/null; then fail "$1 is up" 2; fi
        hold "$1"
        connect "${1#h}" ;;
esac
