#!/bin/sh
# Boots a small machine: its own processes, mounts, control groups and name, systemd as process 1, and this machine's
# files underneath, of which nothing is changed. What it writes stays in memory, and can be seen in /run/written.
# machine.sh NAME FOLDER UNITS: FOLDER is an empty folder, UNITS holds units of which machine.target is started.
set -eu
name=$1 folder=$2 units=$3

if [ "${4:-}" != inside ]; then
    mount --make-rprivate /
    mount -t tmpfs -o mode=0755 tmpfs "$folder"
    mkdir "$folder/groups"
    mount -t cgroup2 cgroup2 "$folder/groups"
    mkdir "$folder/groups/$name"
    echo $$ >"$folder/groups/$name/cgroup.procs"
    umount "$folder/groups"
    exec unshare --cgroup --pid --fork --kill-child --ipc --uts --mount "$0" "$name" "$folder" "$units" inside
fi

root="$folder/root"
mkdir "$folder/upper" "$folder/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mkdir "$root/run/written"
mount --bind "$folder/upper" "$root/run/written"
hostname "$name"
echo "$name" >"$root/etc/hostname"
head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$root/etc/machine-id"
# Only what the test wants runs: what the machine underneath would start, or mount, is not started here.
: >"$root/etc/fstab"
for unit in "$root"/lib/systemd/system/*.target.wants/* "$root"/etc/systemd/system/*.target.wants/*; do
    case ${unit##*/} in
        systemd-journald* | *.target) ;;
        *) ln -sf /dev/null "$root/etc/systemd/system/${unit##*/}" ;;
    esac
done
ln -sf /dev/null "$root/etc/systemd/system/tmp.mount"
cp "$units"/* "$root/etc/systemd/system/"
# systemd hands credentials over by mounts that have to be seen everywhere.
mount --make-rshared "$root"
exec chroot "$root" env -i container=closte-bridge-test LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=journal
