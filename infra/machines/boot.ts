import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";

/** A role of machines; each has a start-up script of this name in infra/startup. */
export type Role = "gateway" | "nats" | "monitoring" | "backend" | "runner";

/** Values that a VM's start-up script reads from the metadata server. None of them may be a secret. */
export interface BootArgs {
  role: Role;
  /**
   * Container images by name, each with its digest or exact tag. The role's script decides which names it
   * uses.
   */
  images: Record<string, pulumi.Input<string>>;
  /** Environment variables of the role's main container. */
  environment?: Record<string, pulumi.Input<string>>;
  /**
   * Secrets by destination: `env-NAME` becomes an environment variable of the main container, `file-NAME`
   * becomes a file in /run/odin/secrets. The value is the full name of the secret's version,
   * `projects/P/secrets/S/versions/N`. A new version changes the value, so the machines are rolled out.
   */
  secrets?: Record<string, pulumi.Input<string>>;
  /**
   * Contents of public files, for example a CA certificate, by name. They are written to
   * /run/odin/files/NAME.
   */
  files?: Record<string, pulumi.Input<string>>;
  /** Other settings of the role's script, as attributes `odin-NAME`. */
  settings?: Record<string, pulumi.Input<string>>;
}

/**
 * Files of infra/startup that a role's script is made of, in this order. The role's own file comes last and
 * starts the script.
 */
const PARTS: Record<Role, string[]> = {
  gateway: ["watch", "config-sync", "turn", "leaving"],
  nats: ["data-disk", "watch", "config-sync", "nats-server"],
  monitoring: ["data-disk", "watch", "config-sync", "monitoring-stack", "heartbeat"],
  backend: ["data-disk", "watch", "config-sync", "nats-server", "monitoring-stack"],
  runner: ["watch"],
};

/** The start-up script of a role as it runs on the VM: the same bytes in every stack. */
export function startupScript(role: Role): string {
  const parts = ["lib", "secrets", "containers", ...PARTS[role], role];
  return parts.map((name) => read(`../startup/${name}.sh`)).join("\n");
}

/**
 * Instance metadata: the start-up script and its attributes (`odin-image-NAME`, `odin-env-NAME`,
 * `odin-secret-…`, `odin-file-NAME`, `odin-NAME`).
 */
export function bootMetadata(args: BootArgs): Record<string, pulumi.Input<string>> {
  return {
    "startup-script": startupScript(args.role),
    "enable-oslogin": "TRUE",
    "block-project-ssh-keys": "TRUE",
    "serial-port-logging-enable": "TRUE",
    "cos-update-strategy": "update_disabled", // the VM image is pinned: the version that was tested runs
    "odin-role": args.role,
    ...prefixed("odin-image-", args.images),
    ...prefixed("odin-env-", args.environment),
    ...prefixed("odin-secret-", args.secrets),
    ...prefixed("odin-file-", args.files),
    ...prefixed("odin-", args.settings),
  };
}

/**
 * Metadata with the attribute `odin-revision`, a text that differs for each set of metadata. A VM with this
 * attribute applies changes of its metadata while it runs, and names the revision in its start-up line.
 */
export function withRevision(
  metadata: Record<string, pulumi.Input<string>>,
): Record<string, pulumi.Input<string>> & { "odin-revision": pulumi.Output<string> } {
  // Does not depend on the order of the keys.
  const revision = pulumi.output(metadata).apply((known) =>
    createHash("sha256")
      .update(JSON.stringify(Object.entries(known).sort(([one], [other]) => (one < other ? -1 : 1))))
      .digest("hex")
      .slice(0, 16),
  );
  return { ...metadata, "odin-revision": revision };
}

function prefixed<Value>(prefix: string, values: Record<string, Value> = {}): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
