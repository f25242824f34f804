# shellcheck shell=bash
# The disk that outlives the VM.

DATA=/mnt/disks/data
DEVICE_SECONDS="${ODIN_DEVICE_SECONDS:-60}" # time for an attached disk to appear
BLANK_BYTES=$((1024 * 1024)) # start of a disk, where every file system and partition table writes

# mount_data_disk DEVICE: mounts the disk at $DATA and grows its file system to the size of the disk. Formats
# the disk as ext4 only when the disk is blank.
mount_data_disk() {
  local device="$1" type status=0 end=$((SECONDS + DEVICE_SECONDS))
  [[ "$device" == /* ]] || device="/dev/disk/by-id/google-$device"
  until [ -b "$device" ]; do
    [ "$SECONDS" -lt "$end" ] || fail "there is no disk $device: is it attached under that device name?"
    sleep 1
  done
  if ! mountpoint --quiet "$DATA"; then
    type="$(blkid --probe --output value --match-tag TYPE "$device")" || true
    if [ -z "$type" ]; then
      is_blank "$device" || fail "$device holds data, but no known file system: the disk is left unchanged"
      log "$device is blank: formatting it as ext4"
      mkfs.ext4 -q -m 0 -E lazy_itable_init=0,lazy_journal_init=0 "$device" || fail "mkfs.ext4 of $device failed"
      type=ext4
    fi
    [ "$type" = ext4 ] || fail "$device holds $type, not ext4: the disk is left unchanged"
    e2fsck -f -p "$device" >&2 || status=$? # -f: resize2fs needs a full check
    [ "$status" -lt 2 ] || fail "the file system of $device is damaged (e2fsck -p: $status): run e2fsck by hand, or restore a snapshot"
    grow "$device"
    mkdir -p "$DATA"
    mount -t ext4 -o nosuid,nodev,noexec,discard "$device" "$DATA" || fail "$device cannot be mounted"
    chmod 0755 "$DATA"
  else
    grow "$device"
  fi
}

# grow DEVICE: grows the file system to the size of the disk, whether or not it is mounted. A failure is only
# logged, because a file system that is too small is better than none.
grow() { resize2fs "$1" >&2 2>"$RUN/resize-error" || log "$1 could not grow: $(one_line "$(cat "$RUN/resize-error")")"; }

# is_blank DEVICE: whether the start of the disk has only zeros. Ends the run when the disk cannot be read.
is_blank() {
  local traces
  traces="$(head -c "$BLANK_BYTES" "$1" | tr -d '\0' | wc -c)" || fail "$1 cannot be read"
  [ "$traces" -eq 0 ]
}

# data_folder NAME UID: makes a folder on the disk for one container.
data_folder() {
  install -d -m 0700 -o "$2" -g "$2" "$DATA/$1"
}
