# The inside of a virtual board: private mounts, then sshd of the image as process 1. Run by virtual.py under
# `unshare --mount --pid --uts --fork`, so that every mount here ends with the board.
# $1 image  $2 folder of the board (card/, work/, root/, lower/, fakes/)  $3 host name  $4 QEMU's CPU model
set -eu
image=$1 board=$2 name=$3 cpu=$4
mount --make-rprivate /
cd "$board"
hostname "$name"

# the image, with the board's own files (its card) over it; relative names, as an overlay cannot be told of a ':' or ','
mount --bind "$image" lower
if ! mount -t overlay -o lowerdir=lower,upperdir=card,workdir=work overlay root; then
    # this file system cannot be the upper one: the card becomes a whole copy
    [ -e copied ] || { cp -an --reflink=auto lower/. card/ && : >copied; }
    mount --bind card root
fi
cd root

mount -t tmpfs -o mode=755,size=1m tmpfs dev
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/sshd

# FAKES, so that programs that ask for the CPU and the board find those of the target and not of this machine
mount -t proc proc proc
mount --bind ../fakes/cpuinfo proc/cpuinfo
mount --bind ../fakes/sys sys
mount -o remount,bind,ro sys

exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin QEMU_CPU="$cpu" \
    chroot . /usr/sbin/sshd -D -e -f /etc/ssh/sshd_config.edgekit
