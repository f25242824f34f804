#!/usr/bin/env bash
# Makes new namespaces look like a VM on Container-Optimized OS to the start-up scripts: / is read-only, /etc
# and /run are writable and contain nothing that could disturb a test, nothing in /var and /tmp can be
# executed, and only the commands of that system exist. Then waits.
#   machine-setup.sh TEST_FOLDER
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
test="$1"

mount --make-rprivate /
mount -t tmpfs -o mode=755 machine /mnt
mkdir -p /mnt/bin /mnt/disks /mnt/etc /mnt/run /mnt/var-lib
cp -a /etc/. /mnt/etc
rm -rf /mnt/etc/systemd/system /mnt/etc/profile.d
mkdir -p /mnt/etc/systemd/system /mnt/etc/security
echo "169.254.169.254 metadata.google.internal metadata" >>/mnt/etc/hosts
echo 0123456789abcdef0123456789abcdef >/mnt/etc/machine-id
mount --bind /mnt/etc /etc
mount --bind /mnt/run /run
mount --bind /mnt/var-lib /var/lib
mount -o remount,bind,noexec /var/lib
mount --bind /tmp /tmp
mount -o remount,bind,noexec /tmp
# The commands of the system. The PATH of the scripts contains no other programs. A command that is missing
# here is not on Container-Optimized OS, or no script has needed it yet.
for name in awk base64 basename blkid cat chmod chown cmp cp curl cut date df dirname e2fsck flock grep head install iptables ln ls mkdir \
  mkfs.ext4 mount mountpoint mv resize2fs rm sed sha256sum sleep sort sync tail tr uniq wc; do
  cp "$here/stand-ins/recorder" "/mnt/bin/$name"
done
cp "$here"/stand-ins/{docker,docker-credential-gcr,journalctl,modprobe,sysctl,systemctl} /mnt/bin
ln -s /bin/bash /mnt/bin/bash
mount -o remount,bind,ro /

ip link set lo up
ip address add 169.254.169.254/32 dev lo
for server in 1 2 3; do
  ip address add "10.9.0.$server/32" dev lo
  echo "10.9.0.$server nats-$server" >>/etc/hosts
done
iptables --policy INPUT DROP
iptables --append INPUT --match conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT
iptables --append INPUT --in-interface lo --jump ACCEPT
iptables --append INPUT --protocol tcp --dport 22 --jump ACCEPT
iptables-save >/mnt/firewall

: >"$test/ready"
# The shell stays, because the first process of a process namespace must wait for orphaned processes when they
# end.
sleep infinity &
wait
