/**
 * What the fake cloud computes from a resource's inputs: its id, its state, and the resources that it uses.
 */

import { createHash, randomBytes } from "node:crypto";
import { assumedOutputs } from "../../infra/offline/assumed-outputs.ts";
import { cloudIdOf } from "../../stacks/recover/cloud-ids.ts";
import type { CommandRunner } from "./commands.ts";
import type { Live } from "./fake-cloud.ts";
import type { Properties } from "./resource-type.ts";

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/**
 * Ids of types whose name alone does not identify a resource, and of which `stacks/recover` computes no id.
 */
const IDS: Record<string, (inputs: Properties, serial: number) => string> = {
  "gcp:secretmanager/secretVersion:SecretVersion": ({ secret }, serial) => `${secret}/versions/${serial}`,
  "gcp:serviceaccount/account:Account": ({ project, accountId }) =>
    `projects/${project}/serviceAccounts/${accountId}@${project}.iam.gserviceaccount.com`,
  "gcp:storage/bucketObject:BucketObject": ({ bucket, name }) => `${bucket}-${name}`,
  "gcp:projects/service:Service": ({ project, service }) => `${project}/${service}`,
  "gcp:monitoring/metricDescriptor:MetricDescriptor": ({ project, type }) =>
    `projects/${project}/metricDescriptors/${type}`,
};

/** Beginnings of types of which many resources may have the same inputs. */
const UNNAMED = ["command:", "random:", "tls:", "gcp:monitoring/", "gcp:billing/"];

/** The id of a new resource. Two resources with the same id are the same resource in the cloud. */
export function cloudId(type: string, name: string, inputs: Properties, serial: number): string {
  const own = IDS[type];
  if (own) return own(inputs, serial);
  const real = cloudIdOf(type, inputs);
  if (real !== undefined) return real;
  if (UNNAMED.some((prefix) => type.startsWith(prefix))) return `${name}-${serial}`;
  if (/I[Aa][Mm]Member$/.test(type)) {
    const { role, member, ...target } = inputs;
    return `${type.split(":")[2]}/${Object.values(target).map(String).join("/")}/${role}/${member}`;
  }
  const { id } = assumedOutputs(type, name, inputs);
  const kind = type.split(":")[2];
  // Types for which assumed-outputs.ts has no collection are identified by name and place.
  return id === `${name}-id`
    ? `${kind}/${text(inputs.region ?? inputs.location)}/${text(inputs.name) || name}`
    : id;
}

/** What a state depends on besides the inputs. */
interface Making {
  /** A different number for each creation. */
  serial: number;
  runCommand: CommandRunner;
  /** The state before an update; undefined for a creation. */
  before?: Properties;
}

/** State after a creation, or after an update where `before` is given. */
export async function stateOf(
  type: string,
  name: string,
  inputs: Properties,
  id: string,
  { serial, runCommand, before }: Making,
): Promise<Properties> {
  const assumed = assumedOutputs(type, name, inputs).state;
  switch (type) {
    case "command:local:Command":
      return { ...inputs, ...(await commandOutputs(inputs, runCommand, before)) };
    case "gcp:secretmanager/secretVersion:SecretVersion":
      return { ...assumed, name: id, version: id.split("/").at(-1) };
    case "gcp:storage/bucketObject:BucketObject":
      return { ...assumed, outputName: inputs.name, md5hash: sha256(text(inputs.content)).slice(0, 22) };
    case "random:index/randomPassword:RandomPassword":
      return { ...assumed, result: before?.result ?? randomText(Number(inputs.length)), bcryptHash: "" };
    case "random:index/randomId:RandomId":
      return { ...assumed, hex: before?.hex ?? randomBytes(Number(inputs.byteLength)).toString("hex") };
    case "random:index/randomString:RandomString":
      return { ...assumed, result: before?.result ?? randomText(Number(inputs.length)) };
    default:
      return {
        ...before,
        ...assumed,
        ...pems(PEMS[type] ?? [], before),
        ...addressOf(type, inputs, serial, before),
      };
  }
}

/** A different address for each resource, from ranges that are private or reserved for documentation. */
function addressOf(
  type: string,
  inputs: Properties,
  serial: number,
  before: Properties | undefined,
): Properties {
  if (!/:(Global)?Address$/.test(type)) return {};
  const range = inputs.addressType === "INTERNAL" ? "10.10.0" : "203.0.113";
  return { address: before?.address ?? (text(inputs.address) || `${range}.${(serial % 250) + 2}`) };
}

async function commandOutputs(inputs: Properties, run: CommandRunner, before: Properties | undefined) {
  const command = before === undefined ? inputs.create : (inputs.update ?? inputs.create);
  if (typeof command !== "string") return { stdout: "", stderr: "" };
  return run(command, commandOptions(inputs, before));
}

/** Runs the command with which a `command:local:Command` is deleted, if it has one. */
export async function runDeletion({ inputs, state }: Live, run: CommandRunner): Promise<void> {
  if (typeof inputs.delete === "string") await run(inputs.delete, commandOptions(inputs, state));
}

function commandOptions(inputs: Properties, before: Properties | undefined) {
  const previous =
    before === undefined || inputs.addPreviousOutputInEnv === false
      ? {}
      : { PULUMI_COMMAND_STDOUT: text(before.stdout), PULUMI_COMMAND_STDERR: text(before.stderr) };
  return {
    environment: { ...previous, ...(inputs.environment as Record<string, string> | undefined) },
    dir: inputs.dir as string | undefined,
    stdin: inputs.stdin as string | undefined,
  };
}

const PEMS: Record<string, string[]> = {
  "tls:index/privateKey:PrivateKey": ["privateKeyPem", "publicKeyPem"],
  "tls:index/certRequest:CertRequest": ["certRequestPem"],
  "tls:index/selfSignedCert:SelfSignedCert": ["certPem"],
  "tls:index/locallySignedCert:LocallySignedCert": ["certPem"],
};

/**
 * Keys and certificates with random text instead of real bytes, so that a test can find the places where each
 * one is used.
 */
function pems(fields: readonly string[], before: Properties | undefined): Properties {
  const pem = (field: string) => `-----BEGIN ${field}-----\n${randomText(40)}\n-----END ${field}-----\n`;
  return Object.fromEntries(fields.map((field) => [field, before?.[field] ?? pem(field)]));
}

const sha256 = (value: string) => createHash("sha256").update(value).digest("hex");

/** Random letters and digits. */
function randomText(length: number): string {
  return randomBytes(length * 2)
    .toString("base64")
    .replaceAll(/[^a-zA-Z0-9]/g, "")
    .slice(0, length);
}

/**
 * Types whose resources cannot be deleted while another resource uses them. Grants, rules and names do not
 * count as uses. The real cloud deletes the version of a secret that a VM still reads, and the VM then cannot
 * boot again: the fake cloud refuses to delete such a version, so that tests find the mistake.
 */
const HELD =
  /^gcp:(compute\/|certificatemanager\/|monitoring\/notificationChannel|secretmanager\/secretVersion)/;

/** Whether `user` uses `used`, so that the cloud refuses to delete `used`. */
export function refersTo(user: Live, used: Live): boolean {
  if (!HELD.test(used.type) || !user.type.startsWith("gcp:")) return false;
  const attached = /^gcp:compute\/(\w*[fF]orwardingRule|instance|routerNat):/.test(user.type);
  const names = [
    used.id,
    used.state.selfLink,
    used.state.selfLinkUnique,
    used.state.instanceGroup,
    used.state.name,
  ]
    .filter((name) => typeof name === "string" && name.includes("/"))
    .map((name) => withoutHost(String(name)));
  // A NAT has the name of its router, and a forwarding rule has the numeric address.
  const numbers = attached && /Address$/.test(used.type) ? [used.state.address] : [];
  const byName = user.type === "gcp:compute/routerNat:RouterNat" && used.type === "gcp:compute/router:Router";
  return someValue(user.inputs, (value) => {
    const plain = withoutHost(value);
    return names.includes(plain) || numbers.includes(value) || (byName && value === used.state.name);
  });
}

/**
 * Shortens `https://www.googleapis.com/compute/v1/projects/…?uniqueId=1` to `projects/…`, which names the
 * same resource.
 */
const withoutHost = (name: string) =>
  name.replace(/^https:\/\/[^/]+\/(\w+\/v\w+\/)?/, "").replace(/\?.*$/, "");

function someValue(value: unknown, test: (value: string) => boolean): boolean {
  if (typeof value === "string") return test(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some((item) => someValue(item, test));
}
