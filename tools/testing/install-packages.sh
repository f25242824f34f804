#!/usr/bin/env bash
# Installs the programs of the operating system that tests need, with apt on Debian or Ubuntu. Run it as root.
#   tools/testing/install-packages.sh
# A program that is already there is not installed again, whatever package it came from: the packages of
# another Docker or another browser can conflict with the packages below. `npm test` installs the programs of
# tools/programs/table.ts itself.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin" DEBIAN_FRONTEND=noninteractive

missing=()

# need PACKAGE PROGRAM…: the package is missing when none of its programs is installed.
need() {
  local package="$1" program
  shift
  for program in "$@"; do
    if command -v "$program" >/dev/null; then return; fi
  done
  missing+=("$package")
}

# The demo page.
need chromium chromium chromium-browser google-chrome google-chrome-stable
# The images.
need docker.io dockerd
# The start-up scripts, on machines made of namespaces.
need curl curl
need e2fsprogs mkfs.ext4
need iproute2 ip
need iptables iptables
need mawk awk
need mount losetup
need procps sysctl
need shellcheck shellcheck
need util-linux unshare
# Gateways behind a load balancer, and certificates.
need haproxy haproxy
need openssl openssl
# The steps of CI, as a user without rights.
need sudo sudo

if [ "${#missing[@]}" -eq 0 ]; then
  echo "install-packages: nothing is missing"
  exit
fi
echo "install-packages: ${missing[*]}"
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
