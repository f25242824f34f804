/**
 * The stacks of this repository in the real engine, with their Pulumi.yaml, their own files and their
 * program.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Owner } from "../harness/owner.ts";
import { newStack, type Stack } from "./engine.ts";
import { FakeCloud, type Operation } from "./fake-cloud.ts";
import type { Program } from "./language-host.ts";
import { repository } from "./repository.ts";

/** Key of the clients' tokens, which must never be stored without encryption. */
export const SECRET = "key-of-the-clients-tokens-0123456789";

const BUILD = "npm run --silent build-image";
/** The command that waits until all gateways run the new template. */
export const ROLLOUT = "npm run --silent await-rollout";
export const SMOKE = "npm run --silent smoke";

/** The command that tries a new template on gateways of their own. */
export const CANARY = "npm run --silent canary";

/** The command that empties a region; with `DRAIN=true` before it when the region is removed. */
export const DRAIN = "npm run --silent drain-region";

const isCheck = (command: string) =>
  ["npm run --silent await-startup", CANARY, ROLLOUT, SMOKE, DRAIN, `DRAIN=true ${DRAIN}`].includes(command);

export const AUTOSCALER = "gcp:compute/regionAutoscaler:RegionAutoscaler";
export const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
export const IMAGE = (digit: string) => `us-central1-docker.pkg.dev/p/r/gateway@sha256:${digit.repeat(64)}`;
export const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";

/**
 * Operations as text: `update RegionAutoscaler gateway-autoscaler`, followed by `: ERROR` after a failure.
 */
export const inWords = (operations: readonly Operation[]): string[] =>
  operations.map(({ action, type, name, error }) => {
    const failed = error === undefined ? "" : `: ${error}`;
    return `${action} ${type.split(":").at(-1)} ${name}${failed}`;
  });

/** @throws AssertionError unless all expected operations were done, in this order */
export function assertInOrder(done: readonly string[], expected: readonly string[]): void {
  const places = expected.map((step) => done.indexOf(step));
  const isSorted = places.every((place, index) => place > (places[index - 1] ?? -1));
  assert.ok(isSorted, `expected in this order:\n  ${expected.join("\n  ")}\ngot:\n  ${done.join("\n  ")}`);
}

/** What `npm run build-image` prints: the digest follows from everything that the command gets. */
function build(cloud: FakeCloud, environment: Record<string, string>): string {
  if (!cloud.dockerDaemon) throw new Error("docker: Cannot connect to the Docker daemon");
  const digest = createHash("sha256").update(JSON.stringify(environment)).digest("hex");
  return `${environment.IMAGE?.replace(/:[^:/]*$/, "")}@sha256:${digest}`;
}

/** A stack of this repository, with the commands that its checks would run. */
export interface RepositoryStack {
  stack: Stack;
  cloud: FakeCloud;
  /**
   * Returns the commands of checks since the last call with their environment, and removes them. Builds of
   * images are not among them.
   */
  takeCommands(): { command: string; environment: Record<string, string> }[];
}

const inThisProcess = async () => (await import("../../stacks/index.ts")).default();

/**
 * A stack with the settings that a person has to make before the first `pulumi up`, and an empty cloud.
 * Checks are only recorded, and succeed; builds of images succeed where a Docker daemon runs. A test may
 * replace `cloud.runCommand`.
 */
export async function repositoryStack(
  owner: Owner,
  stack: string,
  plain: Record<string, string> = {},
  { program = inThisProcess, checkpoints = false }: { program?: Program; checkpoints?: boolean } = {},
): Promise<RepositoryStack> {
  const cloud = new FakeCloud();
  let commands: { command: string; environment: Record<string, string> }[] = [];
  cloud.runCommand = async (command, { environment }) => {
    if (command === BUILD) return { stdout: build(cloud, environment), stderr: "" };
    if (!isCheck(command)) throw new Error(`no such check: ${command}`);
    commands.push({ command, environment });
    return { stdout: "ok", stderr: "" };
  };
  const files = ["Pulumi.yaml", `Pulumi.${stack}.yaml`];
  const made = await newStack(owner, {
    stack,
    cloud,
    files: Object.fromEntries(files.map((name) => [name, readFileSync(join(repository, name), "utf8")])),
    program,
    checkpoints,
  });
  await made.configure(
    { "gcp:project": "test-project", ...plain },
    stack === "capacity" ? {} : { jwtSecret: SECRET },
  );
  return {
    stack: made,
    cloud,
    takeCommands() {
      const taken = commands;
      commands = [];
      return taken;
    },
  };
}
