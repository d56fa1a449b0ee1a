#!/usr/bin/env bash
# Checks cluster/emulate.sh: what it refuses, that hosts are apart and links limited, and that nothing is left behind.
#   scripts/tests/emulate.sh        as root; takes about fifteen seconds
# Exit codes: 0 all is right, 1 something is not, 77 cannot be checked here.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
[ "$(id -u)" = 0 ] || { echo "emulate: network namespaces need root" >&2; exit 77; }
for tool in ip tc nsenter unshare setpriv; do
    command -v "$tool" > /dev/null || { echo "emulate: $tool is missing (iproute2, util-linux)" >&2; exit 77; }
done

scratch=$(mktemp -d)
first=$scratch/first
second=$scratch/second
unset TRAINYARD_STATE
emulate() { cluster/emulate.sh --state "$first" "$@"; }
# shellcheck disable=SC2317 # the trap calls it
clean() {
    cluster/emulate.sh --state "$first" down
    cluster/emulate.sh --state "$second" down
    rm -rf "$scratch"
}
trap clean EXIT

failures=0
# `expect NAME COMMAND…`: the command succeeds.
expect() {
    local name=$1
    shift
    if "$@"; then echo "ok      $name"; else echo "NOT OK  $name"; failures=$((failures + 1)); fi
}
# `ends CODE WORDS COMMAND…`: it ends with the code and says the words.
ends() {
    local code=$1 words=$2 said
    shift 2
    said=$("$@" 2>&1)
    if [ $? != "$code" ] || [[ $said != *"$words"* ]]; then printf '%s\n' "$said" | head -n 5; return 1; fi
}
# The names of an emulation's sleeping processes hold a number made of its folder's path (see emulate.sh).
number() { printf '%s' "$1" | sha256sum | cut -c 1-12; }
processes() { grep -lE "trainyard-host-($(number "$first")|$(number "$second"))-" /proc/[0-9]*/cmdline 2> /dev/null | wc -l; }
# The networks of hosts that were up, and how many processes are in them.
networks=()
remember() { networks+=("$(cluster/emulate.sh --state "$1" exec "$2" readlink /proc/self/ns/net)"); }
inside() { find /proc/[0-9]*/ns/net -printf '%l\n' 2> /dev/null | grep -cxF -f <(printf '%s\n' "${networks[@]:-none}"); }
is_gone() { [ ! -e "$first" ] && [ ! -e "$second/emulation" ] && [ "$(processes)" = 0 ] && [ "$(inside)" = 0 ]; }

# What is refused, and how.
expect "no command" ends 2 "emulate.sh" cluster/emulate.sh
expect "--help" ends 0 "Examples" cluster/emulate.sh --help
expect "an unknown command" ends 2 "'upp' is no command" emulate upp
expect "no rate" ends 2 "up 2 1gbit" emulate up 2
expect "too many hosts" ends 2 "1 to 250" emulate up 251 none
expect "a word for a number" ends 2 "1 to 250" emulate up two none
expect "a rate without unit" ends 2 "100mbit" emulate up 2 100
expect "a rate of zero" ends 2 "100mbit" emulate up 2 0mbit
expect "an unknown option" ends 2 "--slots" emulate up 2 none --slot 2
expect "a folder with other files" ends 2 "other files" cluster/emulate.sh --state "$PWD" up 2 none
expect "a folder with a space" ends 2 "letters" cluster/emulate.sh --state "$scratch/a b" up 2 none
expect "no emulation" ends 1 "up 2 1gbit" emulate status
expect "down without an emulation" emulate down
expect "not root" ends 1 "need root" setpriv --reuid 65534 --clear-groups cluster/emulate.sh --state "$first" status
mkdir "$scratch/few"
for tool in bash id readlink sha256sum env; do ln -s "$(command -v $tool)" "$scratch/few/$tool"; done
expect "a missing tool" ends 1 "apt-get install iproute2" env "PATH=$scratch/few" bash cluster/emulate.sh --state "$first" up 2 none

# A half-made emulation goes again.
mkdir "$scratch/bad"
printf '#!/bin/sh\necho no >&2\nexit 1\n' > "$scratch/bad/tc"
chmod +x "$scratch/bad/tc"
expect "no limit can be set" ends 1 "cannot limit" env "PATH=$scratch/bad:$PATH" cluster/emulate.sh --state "$first" up 2 1gbit
expect "nothing is left of it" is_gone
for seconds in 0.05 0.15 0.3; do
    timeout -s TERM "$seconds" cluster/emulate.sh --state "$first" up 40 1gbit > /dev/null 2>&1
    sleep 0.3
    expect "nothing is left after $seconds s" is_gone
done

# Two emulations side by side.
expect "up" ends 0 "2 hosts, every link 100mbit" emulate up 2 100mbit
expect "up again" ends 2 "down" emulate up 2 100mbit
expect "another one" ends 0 "3 hosts" cluster/emulate.sh --state "$second" up 3 none --slots 2
for host in h1 h2; do remember "$first" "$host"; remember "$second" "$host"; done
expect "names" ends 0 "h2" emulate exec h2 hostname
expect "exit codes" ends 7 "" emulate exec h1 sh -c 'exit 7'
expect "the current folder" ends 0 "$PWD" emulate exec h1 pwd
expect "no such host" ends 2 "h1 to h2" emulate exec h3 true
expect "an address of its own" ends 0 "10.77.0.2/24" emulate exec h2 ip -br address
expect "the other emulation is another network" [ "$(emulate exec h1 readlink /proc/self/ns/net)" != \
    "$(cluster/emulate.sh --state "$second" exec h1 readlink /proc/self/ns/net)" ]
emulate exec h1 touch /dev/shm/trainyard-check
expect "shared memory of its own" [ ! -e /dev/shm/trainyard-check ]
expect "and not another host's" ends 1 "" emulate exec h2 test -e /dev/shm/trainyard-check
expect "a folder for temporary files" ends 0 "$first/h2/tmp" emulate exec h2 printenv TMPDIR

# The limit: 4 MB at 100 Mbit/s take 0.336 s, beyond the burst.
if command -v python3 > /dev/null; then
    emulate exec h2 python3 -c '
import socket
s = socket.create_server(("h2", 5000)); c = s.accept()[0]
while c.recv(1 << 16): pass
c.sendall(b"x")' &
    sleep 0.5
    rate=$(emulate exec h1 python3 -c '
import socket, time
s = socket.create_connection(("h2", 5000)); t = time.time()
s.sendall(bytes(4 << 20)); s.shutdown(socket.SHUT_WR); s.recv(1)
print(round((4 << 20) * 8 / (time.time() - t) / 1e6))')
    expect "100 Mbit/s are $rate" [ "${rate:-0}" -ge 70 -a "${rate:-0}" -le 105 ]
else
    echo "skipped the rate of a link: no python3"
fi

if command -v mpirun > /dev/null; then
    expect "mpirun reaches all hosts" [ "$(emulate mpirun -n 2 hostname | sort | tr '\n' ' ')" = "h1 h2 " ]
    expect "two ranks a host" [ "$(cluster/emulate.sh --state "$second" mpirun -n 6 hostname | sort | uniq -c | tr -s ' \n' ' ')" = \
        " 2 h1 2 h2 2 h3 " ]
    expect "mpirun's exit code" ends 9 "" emulate mpirun -n 2 sh -c 'exit 9'
else
    echo "skipped mpirun: not installed"
fi

# A host dies, and comes back.
cluster/emulate.sh --state "$first" exec h2 sleep 1000 &
victim=$!
sleep 0.3
expect "kill" emulate kill h2
{ wait "$victim"; } 2> /dev/null
expect "its processes are killed" [ $? = 137 ]
expect "it is down" ends 1 "revive h2" emulate exec h2 true
expect "status says so" ends 0 "h2  10.77.0.2  down" emulate status
expect "revive" emulate revive h2
expect "revive twice" ends 2 "h2 is up" emulate revive h2
expect "it is back" ends 0 "h2" emulate exec h2 hostname

# Nothing is left, and the other emulation stays.
cluster/emulate.sh --state "$first" exec h1 setsid sleep 1000 &
disown
sleep 0.2
expect "down" emulate down
expect "its folder is gone" [ ! -e "$first" ]
expect "the other one lives" ends 0 "h3" cluster/emulate.sh --state "$second" exec h3 hostname
# A folder that was there stays, without what `up` put in.
mkdir "$first"
expect "up in a folder that is there" ends 0 "1 hosts" emulate up 1 none
expect "down" emulate down
expect "the folder stays, empty" [ -d "$first" -a -z "$(ls -A "$first")" ]
rmdir "$first"
rm -rf "$second/emulation"
expect "down without its notes" cluster/emulate.sh --state "$second" down
sleep 0.2
expect "no process and no namespace is left" is_gone

[ "$failures" = 0 ] || { echo "emulate: $failures checks failed" >&2; exit 1; }
echo "emulate: all is right"
