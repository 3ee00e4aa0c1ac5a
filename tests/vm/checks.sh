#!/bin/busybox sh
# What has to hold on a machine with cgroup v2 alone. Each check prints ok or BAD; the last line is the verdict.

bad=0
parent=/sys/fs/cgroup/pontoon

# check SENTENCE COMMAND...: the command has to succeed.
check() {
    sentence=$1
    shift
    if output=$("$@" 2>&1); then echo "ok   $sentence"; else
        echo "BAD  $sentence: exit code $?"
        echo "$output" | sed 's/^/     /'
        bad=$((bad + 1))
    fi
}

# equal WANTED COMMAND...: the command has to print exactly this.
equal() {
    wanted=$1
    shift
    found=$("$@" 2>/tmp/err)
    [ "$found" = "$wanted" ] || { echo "wanted $wanted, found $found"; cat /tmp/err 2>/dev/null; return 1; }
}

# code WANTED COMMAND...: the command has to end with this exit code.
code() {
    wanted=$1
    shift
    "$@"
    found=$?
    [ $found = "$wanted" ] || { echo "wanted exit code $wanted, found $found"; cat /tmp/err 2>/dev/null; return 1; }
}

# limit FILE: of container x.
limit() { cat "$(find $parent -path "*$id*" -name "$1" | head -n 1)"; }

snapshot() {
    ip -o link | sed 's/^[0-9]*: //; s/ state.*//'
    find /sys/fs/cgroup -type d | sort
    cut -d ' ' -f 2,3 /proc/mounts | sort
    find /run/pontoon /var/lib/pontoon -path '*/images/*' -prune -o -print | sort
    ps -o args | grep '[p]ontoon-monitor'
}

wait_for() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; "$@"; }

check "the busybox recipe is built and runs" equal hello pontoon run --rm --net=none busybox echo hello
check "the exit code is the command's" code 7 pontoon run --rm --net=none busybox sh -c 'exit 7'
check "the default network works" pontoon run --rm busybox true
# iproute2 makes /run/netns a mount of its own when it first needs it, and leaves it so.
/usr/bin/ip netns add first && /usr/bin/ip netns del first
sleep 1
snapshot >/tmp/before

check "own cgroup namespace" equal 0::/ pontoon run --rm busybox cat /proc/self/cgroup
check "cgroup2 inside, read-only" pontoon run --rm busybox sh -c 'grep -q "^cgroup2\? /sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec" /proc/mounts || { grep cgroup /proc/mounts; exit 1; }'
id=$(pontoon run -d --name x --memory 64m --cpus 0.5 --pids-limit 32 busybox sleep 1000)
check "memory.max" equal 67108864 limit memory.max
check "memory.swap.max" equal 67108864 limit memory.swap.max
check "cpu.max" equal "50000 100000" limit cpu.max
check "pids.max" equal 32 limit pids.max
check "exec is in the container's cgroup" equal 0::/ pontoon exec x cat /proc/self/cgroup
check "stop and rm" sh -c 'pontoon stop -t 0 x && pontoon rm x'
check "memory: the eater is killed" code 137 pontoon run --rm --memory 16m busybox tail /dev/zero
check "pids: the ninth process is refused" sh -c 'pontoon run --rm --pids-limit 8 busybox sh -c "for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & done" 2>&1 | grep fork'
check "devices: null, zero, urandom" pontoon run --rm busybox sh -c 'head -c 9 /dev/zero >/dev/null && head -c 9 /dev/urandom >/dev/null'
for numbers in "b 254 0" "c 10 200" "c 1 1"; do
    check "devices: $numbers may be made and not opened" pontoon run --rm busybox sh -c "mknod /tmp/d $numbers && ! (exec 3</tmp/d) 2>/tmp/why && grep -q 'not permitted' /tmp/why"
done
check "privileged: c 1 1 may be opened" pontoon run --rm --privileged busybox sh -c 'mknod /tmp/d c 1 1 && ! (exec 3</tmp/d) 2>&1 | grep "not permitted"'

pontoon network create my-net >/dev/null
pontoon run -d --name web --network my-net -p 8080:80 busybox httpd -f -p 80 -h /etc >/dev/null
check "a published port answers" wait_for timeout 3 wget -qO- http://127.0.0.1:8080/hostname
check "names" pontoon run --rm --network my-net busybox ping -c 1 -W 3 web
id=$(pontoon inspect -f '{{.Id}}' web)
echo 1 >"$(find $parent -path "*$id*" -name cgroup.freeze | head -n 1)"
kill -9 "$(ps -o pid,args | awk '/[p]ontoon-monitor web/ {print $1}')"
check "frozen, its monitor killed: rm -f" pontoon rm -f web
check "network rm" pontoon network rm my-net
# The text of --dry-run, by hand; its tools are those in /usr.
by_hand() {
    pontoon run --dry-run --rm --memory 64m -p 8080:80 busybox "$@" >/tmp/steps && PATH=/usr/bin:/usr/sbin:/bin bash /tmp/steps
}
check "by hand: own cgroup namespace" equal 0::/ by_hand cat /proc/self/cgroup
check "by hand: memory.max" equal 67108864 by_hand cat /sys/fs/cgroup/memory.max
check "by hand: cgroup2 inside, read-only" by_hand sh -c 'grep -q "^cgroup2\? /sys/fs/cgroup cgroup2 ro,nosuid,nodev,noexec" /proc/mounts || { grep cgroup /proc/mounts; exit 1; }'
check "by hand: the network is there" by_hand sh -c 'ip route | grep default; ping -c 1 -W 3 172.17.42.1'

settled() {
    for _ in $(seq 30); do
        snapshot >/tmp/after
        cmp -s /tmp/before /tmp/after && return
        sleep 0.1
    done
    diff /tmp/before /tmp/after
}
check "nothing is left" settled

[ $bad = 0 ] && echo "VERDICT: all checks hold" || echo "VERDICT: $bad checks are bad"
