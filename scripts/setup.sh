#!/usr/bin/env bash
# Installs what building and running Trainyard needs beyond a Swift toolchain, on Debian and Ubuntu.
#   scripts/setup.sh             Open MPI, oneDNN, pkg-config
#   scripts/setup.sh python3 …   these packages too, where missing
# Does nothing, quickly, when all is there.
set -euo pipefail

if ! command -v swift > /dev/null; then
    echo "setup: no 'swift' on the PATH; install a Swift 6.2 or later toolchain from swift.org" >&2
    exit 1
fi

missing=()
for package in libopenmpi-dev openmpi-bin libdnnl-dev pkg-config "$@"; do
    # A package may be there under another name (pkgconf gives pkg-config), so ask for what it is needed for.
    case $package in
        pkg-config) command -v pkg-config > /dev/null && continue ;;
        python3) command -v python3 > /dev/null && continue ;;
        openmpi-bin) command -v mpirun > /dev/null && continue ;;
        libopenmpi-dev) pkg-config --exists ompi-c 2> /dev/null && continue ;;
        libdnnl-dev) { [ -e /usr/include/dnnl.h ] || [ -e /usr/local/include/dnnl.h ]; } && continue ;;
        *) dpkg -s "$package" > /dev/null 2>&1 && continue ;;
    esac
    missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get > /dev/null; then
    echo "setup: missing ${missing[*]}, and this is no Debian or Ubuntu:" \
        "install Open MPI (with headers), oneDNN (with headers) and pkg-config by your system's means" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: missing ${missing[*]}; run:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
