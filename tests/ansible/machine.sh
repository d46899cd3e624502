#!/bin/sh
# Boots a small machine: its own processes, mounts, control groups and name, systemd as process 1, and this machine's
# files underneath, of which nothing is changed. What it writes stays in memory, and can be seen in /run/written.
# machine.sh NAME FOLDER UNITS [SSHD]: FOLDER is an empty folder, UNITS holds units of which machine.target is started.
# With SSHD, a command line, that is process 1: a machine without systemd, such as a container.
set -eu
name=$1 folder=$2 units=$3 first=${4:-}

if [ "${5:-}" != inside ]; then
    mount --make-rprivate /
    mount -t tmpfs -o mode=0755 tmpfs "$folder"
    mkdir "$folder/groups"
    mount -t cgroup2 cgroup2 "$folder/groups"
    mkdir "$folder/groups/$name"
    echo $$ >"$folder/groups/$name/cgroup.procs"
    umount "$folder/groups"
    exec unshare --cgroup --pid --fork --kill-child --ipc --uts --mount "$0" "$name" "$folder" "$units" "$first" inside
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
# A fresh system has no more of Python than the role asks for; the machine underneath may.
for module in apt apt_pkg* aptsources pkg_resources setuptools; do
    rm -rf "$root/usr/lib/python3/dist-packages/"$module
done
# Nor does it know the engine yet; whoever tried it on the machine underneath has left something there.
for place in /etc /opt /var/lib /var/log; do
    rm -rf "$root$place/closte-bridge"
done
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
if [ -n "$first" ]; then
    mkdir -p "$root/run/sshd"
    # shellcheck disable=SC2086 # a list of words
    exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $first
fi
exec chroot "$root" env -i container=closte-bridge-test LC_ALL=C.UTF-8 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=machine.target --log-target=journal
