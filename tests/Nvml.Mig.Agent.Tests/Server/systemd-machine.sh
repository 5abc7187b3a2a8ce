#!/bin/sh
# Starts a systemd that has only the agent's unit to do, in namespaces of its own, over this system's files: what it writes goes with it.
# Arguments: an empty folder; one with files to put over the system's; one that is to be there too (a mount of its own, perhaps); a file for
# the number of its first process. Ends when that is killed.
set -eu
if [ "$1" != --inside ]; then
    exec unshare --mount --propagation private sh "$0" --inside "$@"
fi

shift
work=$1 files=$2 also=$3
mount -t tmpfs tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root" "$work/cgroup"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
mount --rbind "$also" "$work/root$also"
cd "$work/root"
cp -a "$files/." .
for folder in run tmp dev var/log; do mount -t tmpfs tmpfs $folder; done
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
# Read only, it tells systemd that the machine's devices are none of its business.
mount -t sysfs -o ro sysfs sys

# A group that is its root, and goes with it.
mount -t cgroup2 cgroup2 "$work/cgroup"
group=$work/cgroup/nvmig-test-$$
mkdir "$group"
(
    read -r self rest </proc/self/stat
    echo "$self" >"$group/cgroup.procs"
    exec unshare --pid --fork --kill-child --uts --ipc --cgroup sh -euc '
        mount -t cgroup2 cgroup2 sys/fs/cgroup
        read -r self rest </proc/self/stat
        echo "$self" >"$0"
        mount -t proc proc proc
        exec env -i container=other PATH="$PATH" chroot . /lib/systemd/systemd --unit=nvmig-agent.service --show-status=no
        ' "$4"
) || true
until find "$group" -depth -type d -exec rmdir {} +; do sleep 0.1; done
