/** The data disk: a real block device, which is formatted at most once. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Owner } from "../../harness/owner.ts";
import { buildMachine, type Machine, type Outcome, SUITE, whyNoMachine } from "../../startup/machine.ts";

const SIZE = 64 * 1024 * 1024; // bytes
const system = (program: string, ...args: string[]) =>
  execFileSync(program, args, {
    encoding: "utf8",
    env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
  }).trim();

/** Attaches a disk of zeros and returns its file and its device. The disk is removed when the owner ends. */
function attachDisk(owner: Owner): { file: string; device: string } {
  const folder = mkdtempSync(join(tmpdir(), "odin-disk-"));
  const file = join(folder, "disk");
  closeSync(openSync(file, "w"));
  truncateSync(file, SIZE);
  const device = system("losetup", "--find", "--show", file);
  owner.after(() => {
    system("losetup", "--detach", device);
    rmSync(folder, { recursive: true });
  });
  return { file, device };
}

/** A machine that runs Prometheus only. */
async function buildWith(owner: Owner, device: string): Promise<Machine> {
  const machine = await buildMachine(owner, "monitoring", {
    "image-prometheus": "docker.io/prom/prometheus:v3",
    "data-device": device,
    "config-bucket": "config",
  });
  machine.fault("ignore-odin-watch.service"); // the tests start the script themselves
  const config = "global: {}\n";
  const sum = createHash("sha256").update(config).digest("hex");
  machine.cloud.objects["config/manifest"] = `${sum}  prometheus/prometheus.yml\n`;
  machine.cloud.objects["config/prometheus/prometheus.yml"] = config;
  return machine;
}

const ready = ({ serial, stderr }: Outcome) => assert.match(serial.at(-1) ?? stderr, /^odin-startup: ready /);
const failed = ({ serial, stderr }: Outcome, reason: RegExp) => {
  assert.equal(serial.length, 1, stderr);
  assert.match(serial[0]?.replace("odin-startup: failed role=monitoring step=disk: ", "") ?? "", reason);
};
const formats = (machine: Machine) => machine.calls("mkfs.ext4").length;

function overwrite(file: string, at: number, text: string): void {
  const open = openSync(file, "r+");
  writeSync(open, text, at);
  closeSync(open);
}

describe("data disk", { skip: whyNoMachine(), timeout: SUITE }, () => {
  test("a blank disk is formatted once; later runs and boots keep the data and use added space", async (t) => {
    const { file, device } = attachDisk(t);
    const machine = await buildWith(t, device);
    ready(await machine.start());
    assert.equal(formats(machine), 1);
    const options = await machine.shell("findmnt -n -o FSTYPE,OPTIONS /mnt/disks/data");
    for (const option of ["ext4", "nosuid", "nodev"]) assert.ok(options.includes(option), options);
    await machine.shell(
      'echo kept > /mnt/disks/data/prometheus/mark; test "$(stat -c %u:%a /mnt/disks/data/prometheus)" = 65534:700',
    );
    ready(await machine.start());
    await machine.reboot();
    truncateSync(file, 2 * SIZE);
    system("losetup", "--set-capacity", device);
    ready(await machine.start());
    assert.equal(formats(machine), 1);
    assert.equal(await machine.shell("cat /mnt/disks/data/prometheus/mark"), "kept\n");
    const blocks = Number(await machine.shell("df --output=size -B1 /mnt/disks/data | tail -1"));
    assert.ok(blocks > SIZE * 1.5, `${blocks} bytes`);
    await machine.reboot();
  });

  test("a disk that already has data keeps the data", async (t) => {
    const { device } = attachDisk(t);
    const folder = mkdtempSync(join(tmpdir(), "odin-content-"));
    t.after(() => rmSync(folder, { recursive: true }));
    execFileSync("sh", ["-c", `echo restored > ${folder}/file`]);
    system("mkfs.ext4", "-q", "-d", folder, device);
    const machine = await buildWith(t, device);
    ready(await machine.start());
    assert.equal(formats(machine), 0);
    assert.equal(await machine.shell("cat /mnt/disks/data/file"), "restored\n");
    await machine.reboot();
  });

  test("a disk with unknown data is left unchanged", async (t) => {
    const { file, device } = attachDisk(t);
    const machine = await buildWith(t, device);
    overwrite(file, 700_000, "data of somebody");
    failed(
      await machine.start(),
      /^\/dev\/loop\d+ holds data, but no known file system: the disk is left unchanged$/,
    );
    assert.equal(formats(machine), 0);
    assert.equal(readFileSync(file).subarray(700_000, 700_016).toString(), "data of somebody");
  });

  test("a disk with another file system is left unchanged", async (t) => {
    const { device } = attachDisk(t);
    system("mkswap", device);
    const machine = await buildWith(t, device);
    failed(await machine.start(), /^\/dev\/loop\d+ holds swap, not ext4: the disk is left unchanged$/);
    assert.equal(formats(machine), 0);
    assert.equal(system("blkid", "-p", "-o", "value", "-s", "TYPE", device), "swap");
  });

  test("a damaged file system is neither mounted nor formatted", async (t) => {
    const { file, device } = attachDisk(t);
    system("mkfs.ext4", "-q", "-b", "1024", device);
    // damages the group descriptors; e2fsck asks before it repairs them
    overwrite(file, 2048, "x".repeat(512));
    overwrite(file, 1024 + 58, "\u0002\0"); // marks the file system in the superblock as having errors
    const machine = await buildWith(t, device);
    failed(await machine.start(), /^the file system of \/dev\/loop\d+ is damaged \(e2fsck -p: \d+\): /);
    assert.equal(formats(machine), 0);
  });

  test("without a disk the start fails", async (t) => {
    const machine = await buildWith(t, "data");
    failed(
      await machine.start(),
      /^there is no disk \/dev\/disk\/by-id\/google-data: is it attached under that device name\?$/,
    );
    delete machine.cloud.attributes["odin-data-device"];
    const { serial } = await machine.start();
    assert.deepEqual(serial, [
      "odin-startup: failed role=monitoring step=metadata: metadata attribute odin-data-device is missing",
    ]);
  });
});
