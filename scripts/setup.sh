#!/usr/bin/env bash
# Installs what cso is built with (Debian 12 and later, Ubuntu 22.04 and later) through apt: compiler, CMake, OpenBLAS with
# OpenMP and oneDNN, the parsing libraries, libcurl, libedit, cmocka for the tests, and Python with pip, which fetches the sample model and plays
# an endpoint for the tests.
# Does nothing where all of it is there. With --extra: also OpenMPI (several machines), clang, clang-format, valgrind and Chromium (Debian
# alone: Ubuntu has it as a snap).
# With --list or --missing: installs nothing, prints all packages, or those that are not installed.
# No package is here that another one brings along (python3: by python3-pip), so that scripts/long_checks.sh can tell whether each is needed.
set -eu

packages="build-essential cmake ninja-build pkg-config libopenblas-openmp-dev libcjson-dev libsentencepiece-dev
libtomlplusplus-dev libdnnl-dev libpcre2-dev libutf8proc-dev libxxhash-dev libcurl4-openssl-dev libedit-dev libcmocka-dev python3-pip"
case "${1:-}" in
"" | --missing) ;;
--list) echo $packages; exit 0 ;;
--extra) packages="$packages libopenmpi-dev openmpi-bin clang libclang-rt-dev libomp-dev clang-format valgrind"
    if grep -qs "^ID=debian" /etc/os-release; then packages="$packages chromium"; fi ;;
*) echo "usage: scripts/setup.sh [--extra | --list | --missing]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup: this is no Debian or Ubuntu system; install the counterparts of these packages and go on with scripts/build.sh:" >&2
    echo "$packages" >&2
    exit 4
fi

missing=""
for package in $packages; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done

if [ "${1:-}" = --missing ]; then
    echo "${missing# }"
    exit 0
elif [ -z "$missing" ]; then
    echo "setup: all packages are installed"
else
    echo "setup: installing$missing"
    root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "setup: run this as root, or install sudo" >&2; exit 4; }
        root="sudo"
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    install_missing() { # a mirror may fail for a moment, so twice
        for _ in 1 2; do
            # shellcheck disable=SC2086  # a list of words
            if $root apt-get update -q && $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
            then return 0; fi
        done
        return 1
    }
    if ! install_missing >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "setup: apt-get failed (its last lines are above)" >&2
        exit 4
    fi
fi

# Several OpenBLAS variants can be installed side by side; the one that counts is what the linker's alternative points to.
library=$(readlink -f "/usr/lib/$(gcc -dumpmachine 2>/dev/null || uname -m)/libopenblas.so.0" 2>/dev/null || true)
case "$library" in
*openmp* | "") ;;
*)
    echo "setup: warning: $library is the default OpenBLAS, not the OpenMP variant; cso calls it from its own threads, so choose" >&2
    echo "       the other with: sudo update-alternatives --config libopenblas.so.0-$(gcc -dumpmachine)" >&2
    ;;
esac
