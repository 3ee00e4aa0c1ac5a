#!/usr/bin/env bash
# Installs what is missing for the named purposes (build, test, vm), and nothing else: apt is not even asked when all is there.
#
#   tests/tools.sh build test
set -euo pipefail

# purpose  what is looked for                                  Debian's package
needs='
build      command -v cc                                       gcc
build      test -e "$(cc -print-file-name=libc.a)"             libc6-dev
build      busybox_is_static                                   busybox-static
build      command -v ip                                       iproute2
test       command -v nft                                      nftables
test       test -e /usr/include/seccomp.h                      libseccomp-dev
test       command -v ip                                       iproute2
test       command -v setsid                                   util-linux
test       command -v iptables                                 iptables
test       command -v ping                                     iputils-ping
test       command -v sysctl                                   procps
test       command -v hostname                                 hostname
bench      command -v iperf3                                   iperf3
vm         command -v qemu-system-x86_64                       qemu-system-x86
vm         command -v cpio                                     cpio
vm         command -v dpkg-deb                                 dpkg
'
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

busybox_is_static() {
    command -v busybox >/dev/null && ! ldd "$(command -v busybox)" >/dev/null 2>&1
}

missing() {
    local purpose check package
    while read -r purpose rest; do
        [[ " $* " == *" $purpose "* ]] || continue
        package=${rest##* } check=${rest% *}
        eval "$check" >/dev/null 2>&1 || echo "$package"
    done < <(sed '/^$/d' <<<"$needs")
}

mapfile -t packages < <(missing "$@" | sort -u)
((${#packages[@]})) || exit 0
command -v apt-get >/dev/null || { echo "missing: ${packages[*]} (Debian's names). Install them and try again." >&2; exit 1; }
echo "installing ${packages[*]}"
sudo=$([ "$(id -u)" = 0 ] || echo sudo)
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
