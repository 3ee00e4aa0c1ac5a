#!/usr/bin/env bash
# The main job, shown: two containers on a network of their own, and one pings the other by name.
#
#   tests/demo.sh PONTOON     the binary to show
#
#   this machine ─┬─ nothing is touched
#                 └─ unshare --net --mount --pid: a private host, gone at the end
#                      └─ pontoon: busybox image, my-net, busybox1, busybox2
#
# Each command is printed before it is run. The exit code says whether it worked.
set -euo pipefail

if [ "${1-}" != --inside ]; then
    pontoon=$(realpath "${1:?usage: tests/demo.sh PONTOON}")
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    exec $sudo unshare --net --mount --pid --fork --kill-child --mount-proc bash "$(realpath "$0")" --inside "$pontoon"
fi

bold= plain=
[ ! -t 1 ] || { bold=$(tput bold) plain=$(tput sgr0); }
say() { printf '\n# %s\n' "$*"; }
type_() { printf '%s$ %s%s\n' "$bold" "$*" "$plain"; eval "$@"; }

private_host() {
    mount -t tmpfs tmpfs /run
    mkdir -p /run/demo/bin /run/demo/lib
    ln -s "$1" /run/demo/bin/pontoon
    export PATH=/run/demo/bin:$PATH:/usr/sbin:/sbin
    export PONTOON_ROOT=/run/demo/lib PONTOON_STATE=/run/pontoon PONTOON_CGROUP_PARENT=pontoon-demo-$$-$RANDOM
    trap finish EXIT
}

finish() {
    local code=$?
    pontoon rm -f busybox1 busybox2 >/dev/null 2>&1 || true
    pontoon network rm my-net >/dev/null 2>&1 || true
    find /sys/fs/cgroup -depth -type d -path "*/$PONTOON_CGROUP_PARENT*" -exec rmdir {} \; 2>/dev/null || true
    [ $code = 0 ] && printf '\nIt worked.\n' || printf '\nIt did not work: exit code %s.\n' $code >&2
    exit $code
}

cd "$(dirname "$0")/.."
private_host "$2"
say "A private host: network, mount and pid namespaces of its own. Nothing of your machine is touched."
type_ "ip link set lo up"
type_ "ip -brief link"

say "An image: Debian's static busybox, as a container image."
type_ "pontoon image build images/busybox"
type_ "pontoon images"

say "A network: a bridge with a subnet of its own."
type_ "pontoon network create -d bridge my-net"
type_ "pontoon network ls"

say "The first container sleeps on it."
type_ "pontoon run -d --name busybox1 --network my-net busybox sleep 1000"

say "The second one asks for it by name."
type_ "pontoon run --name busybox2 --network my-net busybox ping -c 3 busybox1"

say "What is there now."
type_ "pontoon ps -a"
type_ "ip -brief address"

say "Cleaning up."
type_ "pontoon rm -f busybox1 busybox2"
type_ "pontoon network rm my-net"
type_ "pontoon ps -aq | wc -l"
[ -z "$(pontoon ps -aq)" ]
