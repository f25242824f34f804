/** NATS VMs: their metadata, certificates and the real server. */

import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import type { Owner } from "../harness/owner.ts";
import { buildMachine, type Machine, type Outcome } from "./machine.ts";

export const NATS_IMAGE = "us-central1-docker.pkg.dev/project/mirror/library/nats:2.15.1";
export const PASSWORDS: Record<string, string> = {
  "nats-gateway-password": "gatewayPassword1",
  "nats-publisher-password": "publisherPassword2",
  "nats-cluster-password": "clusterPassword3",
};

/** A certificate authority. */
export interface Authority {
  /** The CA's certificate as PEM. */
  ca: string;
  /** The file that contains the CA's certificate. */
  caFile: string;
  /**
   * Issues a key and a certificate for a server at these addresses; the certificate is valid for clients too.
   */
  issue(addresses: readonly string[]): { key: string; certificate: string };
}

export function makeAuthority(owner: Owner): Authority {
  const folder = mkdtempSync(join(tmpdir(), "odin-authority-"));
  owner.after(() => rmSync(folder, { recursive: true }));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const newAuthority = [
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
  ];
  openssl("req", "-x509", ...newKey, "-subj", "/CN=odin-test", "-days", "2", ...newAuthority);
  let count = 0;
  return {
    ca: readFileSync(join(folder, "ca.pem"), "utf8"),
    caFile: join(folder, "ca.pem"),
    issue(addresses) {
      const name = `server-${count++}`;
      const names = addresses.map((address) => `IP:${address}`).join(",");
      writeFileSync(
        join(folder, `${name}.ext`),
        `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`,
      );
      openssl("req", ...newKey, "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.csr`);
      openssl(
        ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
        ...["-days", "2", "-extfile", `${name}.ext`, "-out", `${name}.pem`],
      );
      const read = (suffix: string) => readFileSync(join(folder, `${name}.${suffix}`), "utf8");
      return { key: read("key"), certificate: read("pem") };
    },
  };
}

/** Options of a NATS VM. */
export interface NatsOptions {
  ordinal?: number;
  /** The servers of the cluster as `host:6222`, separated by spaces. Default: no cluster. */
  peers?: string;
  /**
   * True: the server is a real nats-server, and the ports of NATS and of a gateway are left to real programs.
   * Default: stand-ins, and the fake cloud answers at their ports.
   */
  real?: boolean;
}

/**
 * Builds a machine of role nats at the address 10.9.0.N, where N is the ordinal plus 1. A folder in memory
 * replaces the disk, which has its own tests.
 */
export async function buildNats(
  owner: Owner,
  authority: Authority,
  options: NatsOptions = {},
): Promise<Machine> {
  const { ordinal = 0, peers = "", real = false } = options;
  const identity = authority.issue([`10.9.0.${ordinal + 1}`]);
  const secrets: Record<string, string> = { ...PASSWORDS, "nats-server-key": identity.key };
  const version = (name: string) => `projects/1/secrets/${name}/versions/1`;
  const machine = await buildMachine(
    owner,
    "nats",
    {
      "image-nats": NATS_IMAGE,
      "nats-name": `nats-${ordinal + 1}`,
      "nats-ordinal": String(ordinal),
      "nats-peers": peers,
      "data-device": "/mnt/device",
      "file-nats-ca": authority.ca,
      "file-nats-server-cert": identity.certificate,
      ...Object.fromEntries(Object.keys(secrets).map((name) => [`secret-file-${name}`, version(name)])),
    },
    real ? [8222, 3002] : [],
  );
  machine.fault("ignore-odin-watch.service"); // the tests start the script themselves
  for (const [name, value] of Object.entries(secrets)) machine.cloud.secrets[version(name)] = value;
  await machine.shell(
    [
      "mknod /mnt/device b 7 250 && mkdir -p /mnt/disks/data && mount -t tmpfs data /mnt/disks/data",
      "rm /mnt/bin/mountpoint /mnt/bin/resize2fs",
      "ln -s /bin/true /mnt/bin/mountpoint && ln -s /bin/true /mnt/bin/resize2fs",
    ].join(" && "),
  );
  if (real) await startRealServer(machine);
  return machine;
}

/** Makes the container odin-nats a real nats-server from now on. */
async function startRealServer(machine: Machine): Promise<void> {
  const program = findProgram("nats-server");
  if (program === undefined) throw new Error(howToGet("nats-server"));
  copyFileSync(program, join(machine.folder, "nats-server"));
  await machine.shell("cp $ODIN_TEST/nats-server /mnt/nats-server && chmod 0755 /mnt /mnt/nats-server");
  machine.write("programs/odin-nats", "/mnt/nats-server");
}

/** Asserts that the script ended with its line of success. */
export function ready({ serial, stderr }: Outcome): void {
  assert.match(serial.at(-1) ?? stderr, /^odin-startup: ready role=nats /);
}

/** Asserts that the script failed, with this line. */
export function failed({ code, serial }: Outcome, line: RegExp): void {
  assert.equal(code, 1);
  assert.equal(serial.length, 1);
  assert.match(serial[0] ?? "", line);
}
