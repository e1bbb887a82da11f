# Shared by deploy/demo and deploy/test: what both need before they can build and run.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
min_rust=1.88

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "must run as root: the lab makes network namespaces and packet sockets. Try: sudo $0"
}

need_rust() {
    command -v cargo >/dev/null 2>&1 || [ ! -f "${CARGO_HOME:-$HOME/.cargo}/env" ] || . "${CARGO_HOME:-$HOME/.cargo}/env"
    command -v cargo >/dev/null 2>&1 || fail "no cargo in PATH: install Rust $min_rust or newer (https://rustup.rs, or your distribution's package) and call again. With sudo, keep PATH: sudo env PATH=\"\$PATH\" $0"
    local have
    have=$(rustc --version | awk '{print $2}')
    [ "$(printf '%s\n%s\n' "$min_rust" "$have" | sort -V | head -n 1)" = "$min_rust" ] ||
        fail "rustc $have is too old: $min_rust or newer is needed. Try: rustup update stable"
}

# What it takes to build with the feature `dpdk`, for need_packages.
dpdk_packages=(pkg-config=pkg-config /usr/include/dpdk/rte_ethdev.h=libdpdk-dev '/usr/lib/llvm-*/lib/libclang*.so*=libclang-dev')

# is_there COMMAND, or a file by its absolute path, which may be a pattern.
is_there() {
    case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# need_packages COMMAND=PACKAGE...: installs the packages whose command or file is not there.
need_packages() {
    local pair missing=()
    for pair in "$@"; do
        is_there "${pair%%=*}" || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null 2>&1 ||
        fail "missing: ${missing[*]}. This is not a Debian system: install these with your package manager and call again."
    say "installing with apt: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || fail "apt-get update failed: is the network up?"
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/dhp-apt.$$.log 2>&1 || {
        tail -n 20 /tmp/dhp-apt.$$.log >&2
        fail "apt could not install ${missing[*]} (its log: /tmp/dhp-apt.$$.log)"
    }
    rm -f /tmp/dhp-apt.$$.log
}

# Namespaces and TUN are tried, not guessed: containers often have the commands without the right.
need_namespaces() {
    local ns=dhp-try-$$
    ip netns add "$ns" 2>/dev/null ||
        fail "this machine lets nobody make network namespaces (ip netns add failed): the kernel needs CONFIG_NET_NS, a container needs CAP_SYS_ADMIN"
    if ! ip netns exec "$ns" ip tuntap add dev dhp-try mode tap 2>/dev/null; then
        ip netns del "$ns"
        fail "no TAP device can be made: the kernel needs CONFIG_TUN (modprobe tun), a container needs /dev/net/tun and CAP_NET_ADMIN"
    fi
    ip netns del "$ns"
}
