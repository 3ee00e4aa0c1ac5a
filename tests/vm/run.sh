#!/usr/bin/env bash
# Boots Debian's cloud kernel in qemu, without KVM, with cgroup v2 alone, and runs checks.sh in it.
#
#   tests/vm/run.sh PONTOON DIRECTORY      the static binary; where kernel and initramfs are put together
#
#   apt-get download ──> DIRECTORY/kernel/     unpacked, not installed
#   busybox, PONTOON, tools, modules, checks.sh ──> DIRECTORY/initramfs.gz ──> qemu ──> DIRECTORY/console.log
#
# The exit code is 0 only if the machine has printed "VERDICT: all checks hold".
set -euo pipefail

here=$(dirname "$(realpath "$0")")
pontoon=$(realpath "${1:?usage: tests/vm/run.sh PONTOON DIRECTORY}")
mkdir -p "${2:?usage: tests/vm/run.sh PONTOON DIRECTORY}"
dir=$(realpath "$2")
log=$dir/console.log
# What Pontoon needs of the kernel; what these need follows from modules.dep.
modules='overlay veth bridge br_netfilter nf_tables nf_conntrack nf_conntrack_netlink nf_nat nft_chain_nat nft_ct nft_nat nft_masq nft_fib
    nft_fib_inet nft_fib_ipv4 nft_fib_ipv6 nft_reject_inet nft_meta_bridge nft_counter nft_redir xt_conntrack'

fetch_kernel() {
    ls "$dir"/kernel/boot/vmlinuz-* >/dev/null 2>&1 && return
    apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1 || $([ "$(id -u)" = 0 ] || echo sudo) apt-get update -qq
    local package
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
    (cd "$dir" && apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb kernel && rm "$package"_*.deb)
}

# The files of the named modules and of all that they need, as paths below /lib/modules/VERSION.
closure() {
    local dep=$1 name
    shift
    for name in "$@"; do
        grep -E "(^|/)${name//[-_]/[-_]}\.ko(\.[a-z]+)?:" "$dep" || true
    done | tr -d ':' | tr ' ' '\n' | sed '/^$/d' | sort -u
}

# The programs that explanations speak of, with their libraries: busybox knows fewer of their words.
tools() {
    local tool path
    for tool in bash mount unshare nsenter setpriv env install ip bridge nft sysctl; do
        path=$(command -v $tool)
        install -D "$path" "$dir/root/usr/bin/$tool"
        ldd "$path" | grep -o '/[^ ]*' | xargs cp -L --parents -t "$dir/root"
    done
    install -D "$(command -v chroot)" "$dir/root/usr/sbin/chroot"
}

initramfs() {
    local root=$dir/root version tree file
    version=$(basename "$(ls -d "$dir"/kernel/lib/modules/*)")
    tree=$dir/kernel/lib/modules/$version
    [ -e "$tree/modules.dep" ] || busybox depmod -b "$dir/kernel" "$version"
    rm -rf "$root"
    mkdir -p "$root"/{bin,etc,dev,proc,sys,run,tmp,var,root,new} "$root/lib/modules/$version"
    closure "$tree/modules.dep" $modules | while read -r file; do
        install -D -m 644 "$tree/$file" "$root/lib/modules/$version/$file"
    done
    # depmod once more: only what is there may be found.
    cp "$tree"/modules.{builtin,order} "$root/lib/modules/$version/"
    busybox depmod -b "$root" "$version"
    cp "$(command -v busybox)" "$root/bin/busybox"
    cp "$pontoon" "$root/bin/pontoon"
    tools
    cp "$here/init.sh" "$root/init"
    cp "$here/checks.sh" "$root/checks.sh"
    chmod 755 "$root/init" "$root/checks.sh" "$root/bin/pontoon"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$dir/initramfs.gz"
}

boot() {
    timeout 600 qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -nographic -no-reboot -nic none \
        -kernel "$(ls "$dir"/kernel/boot/vmlinuz-*)" -initrd "$dir/initramfs.gz" \
        -append "console=ttyS0 quiet panic=-1 rdinit=/init" </dev/null | tr -d '\r' | tee "$log"
}

fetch_kernel
initramfs
boot || true
grep -q '^VERDICT: all checks hold$' "$log" || { echo "the virtual machine gave no good verdict; see $log" >&2; exit 1; }
