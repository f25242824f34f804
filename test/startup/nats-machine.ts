/** NATS VMs: their metadata, certificates and the real server. */

import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import type { Owner } from "../harness/owner.ts";
import { buildMachine, type Machine } from "./machine.ts";

export const NATS_IMAGE = "us-central1-docker.pkg.dev/project/mirror/library/nats:2.15.1";
export const PASSWORDS: Record<string, string> = {
  "nats-gateway-password": "gatewayPassword1",
  "nats-publisher-password": "publisherPassword2",
  "nats-cluster-password": "clusterPassword3",
};

/** An authority and what it signed. */
export interface Authority {
  /** PEM, and the file that has it. */
  ca: string;
  caFile: string;
  /** A key and a certificate for servers at these addresses, which may call each other too. */
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

/** How a NATS VM is made. */
export interface NatsOptions {
  ordinal?: number;
  /** As `host:6222`, separated by spaces. Default: none. */
  peers?: string;
  /** A real server, and maybe a real gateway. Default: stand-ins, whose ports the fake cloud answers. */
  real?: boolean;
}

/** A machine of role nats at 10.9.0.ORDINAL+1. Its disk is memory: the disk has tests of its own. */
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
  machine.fault("ignore-odin-watch.service"); // a test starts it itself
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

/** From now on the container odin-nats is a nats-server. */
async function startRealServer(machine: Machine): Promise<void> {
  const program = findProgram("nats-server");
  if (program === undefined) throw new Error(howToGet("nats-server"));
  copyFileSync(program, join(machine.folder, "nats-server"));
  await machine.shell("cp $ODIN_TEST/nats-server /mnt/nats-server && chmod 0755 /mnt /mnt/nats-server");
  machine.write("programs/odin-nats", "/mnt/nats-server");
}
