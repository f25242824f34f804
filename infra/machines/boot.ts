import { readFileSync } from "node:fs";
import type * as pulumi from "@pulumi/pulumi";

/** A start-up script of ./startup. */
export type Role = "gateway" | "nats" | "monitoring" | "backend" | "runner";

/** What a VM's start-up script reads from the metadata server. Nothing in here may be a secret. */
export interface BootArgs {
  role: Role;
  /** Container images by name, each by digest or pinned tag; the script of the role says which it wants. */
  images: Record<string, pulumi.Input<string>>;
  /** Environment of the role's main container. */
  environment?: Record<string, pulumi.Input<string>>;
  /**
   * Secrets by where they go: `env-NAME` is a variable of the main container, `file-NAME` a file in /run/odin/secrets. The value
   * is the full name of the version, `projects/P/secrets/S/versions/N`: a new version is a new value and so a rollout.
   */
  secrets?: Record<string, pulumi.Input<string>>;
  /** Public files, for example a CA certificate, by name: /run/odin/files/NAME. */
  files?: Record<string, pulumi.Input<string>>;
  /** Other settings of the role's script, as attributes `odin-NAME`. */
  settings?: Record<string, pulumi.Input<string>>;
}

/** Files of ./startup that a role's script is made of, in this order; the role's own file comes last and starts it. */
const PARTS: Record<Role, string[]> = {
  gateway: ["watch", "config-sync", "leaving"],
  nats: ["data-disk", "watch", "nats-server"],
  monitoring: ["data-disk", "watch", "config-sync", "monitoring-stack", "heartbeat"],
  backend: ["data-disk", "watch", "config-sync", "nats-server", "monitoring-stack"],
  runner: ["watch"],
};

/** The start-up script of a role as it runs on the VM. The same bytes in every stack. */
export function startupScript(role: Role): string {
  const parts = ["lib", "secrets", "containers", ...PARTS[role], role];
  return parts.map((name) => read(`../startup/${name}.sh`)).join("\n");
}

/** Instance metadata: the start-up script and its attributes (`odin-image-NAME`, `odin-env-NAME`, `odin-secret-…`, `odin-file-NAME`, `odin-NAME`). */
export function bootMetadata(args: BootArgs): Record<string, pulumi.Input<string>> {
  return {
    "startup-script": startupScript(args.role),
    "enable-oslogin": "TRUE",
    "block-project-ssh-keys": "TRUE",
    "serial-port-logging-enable": "TRUE",
    "cos-update-strategy": "update_disabled", // the image is pinned: what was tested runs
    "odin-role": args.role,
    ...prefixed("odin-image-", args.images),
    ...prefixed("odin-env-", args.environment),
    ...prefixed("odin-secret-", args.secrets),
    ...prefixed("odin-file-", args.files),
    ...prefixed("odin-", args.settings),
  };
}

function prefixed<Value>(prefix: string, values: Record<string, Value> = {}): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, value]));
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
