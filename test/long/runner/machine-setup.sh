#!/usr/bin/env bash
# Makes new namespaces look like a machine of GitHub: a copy of this machine, in which nothing that is changed
# outlives the namespaces, with a user `odin-runner` who may use sudo without a password. The machine has no
# haproxy, and a running containerd. When the machine is ready, the script waits.
#   machine-setup.sh FOLDER
# FOLDER has `home`, which becomes /home, and `tmp`, which becomes /tmp: both are real folders, because they
# get too large for memory and because a Docker daemon cannot keep its images in an overlay.
set -euo pipefail
folder="$1" root="$1/root"

mount --make-rprivate /
mkdir "$root" "$folder/layers"
mount -t tmpfs -o mode=755 layers "$folder/layers"
mkdir "$folder/layers/upper" "$folder/layers/work"
mount -t overlay -o "lowerdir=/,upperdir=$folder/layers/upper,workdir=$folder/layers/work" machine "$root"
for system in proc sys dev; do mount --rbind "/$system" "$root/$system"; done
mount -t tmpfs -o mode=755 run "$root/run"
mkdir "$root/run/lock"
mount --bind "$folder/home" "$root/home"
mount --bind "$folder/tmp" "$root/tmp"
chmod 1777 "$folder/tmp"
mkdir "$root/mnt/outside"
cd "$root"
pivot_root . mnt/outside
umount --lazy /mnt/outside

export DEBIAN_FRONTEND=noninteractive
apt-get remove -y -qq haproxy >/dev/null 2>&1 || true
useradd --user-group --no-create-home --home-dir /home/odin-runner --shell /bin/bash odin-runner
cat >/etc/sudoers.d/odin-runner <<SUDOERS
odin-runner ALL=(ALL) NOPASSWD:ALL
# Certificates of a proxy that this machine may be behind.
Defaults env_keep += "NODE_EXTRA_CA_CERTS SSL_CERT_FILE PIP_CERT http_proxy https_proxy no_proxy"
SUDOERS
chown -R odin-runner: /home/odin-runner
command -v haproxy >/dev/null && { echo "haproxy is still there"; exit 1; }
containerd >/tmp/containerd.log 2>&1 &

: >/tmp/ready
# The shell stays, because the first process of a process namespace must wait for orphaned processes when they
# end.
sleep infinity &
wait
