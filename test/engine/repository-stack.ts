/** The stacks of this repository in the real engine: its Pulumi.yaml, its stacks' files, its program. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Owner } from "../harness/owner.ts";
import { newStack, type Stack } from "./engine.ts";
import { FakeCloud, type Operation } from "./fake-cloud.ts";
import type { Program } from "./language-host.ts";
import { repository } from "./repository.ts";

/** What nobody may find in the clear. */
export const SECRET = "key-of-the-clients-tokens-0123456789";

const isCheck = (command: string) => /^npm run --silent (await-startup|smoke)$/.test(command);

export const AUTOSCALER = "gcp:compute/regionAutoscaler:RegionAutoscaler";
export const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
export const IMAGE = (digit: string) => `us-central1-docker.pkg.dev/p/r/gateway@sha256:${digit.repeat(64)}`;
export const TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate";

/** Operations in words: `update RegionAutoscaler gateway-autoscaler`, with `: ERROR` behind it where it failed. */
export const inWords = (operations: readonly Operation[]): string[] =>
  operations.map(({ action, type, name, error }) => {
    const failed = error === undefined ? "" : `: ${error}`;
    return `${action} ${type.split(":").at(-1)} ${name}${failed}`;
  });

/** @throws AssertionError unless all of these were done, each before the one behind it */
export function assertInOrder(done: readonly string[], expected: readonly string[]): void {
  const places = expected.map((step) => done.indexOf(step));
  const isSorted = places.every((place, index) => place > (places[index - 1] ?? -1));
  assert.ok(isSorted, `wanted in this order:\n  ${expected.join("\n  ")}\ngot:\n  ${done.join("\n  ")}`);
}

/** A stack of this repository and the commands that it ran instead of asking a cloud. */
export interface RepositoryStack {
  stack: Stack;
  cloud: FakeCloud;
  /** Commands since the last time this was asked, with their environment. */
  takeCommands(): { command: string; environment: Record<string, string> }[];
}

const inThisProcess = async () => (await import("../../stacks/index.ts")).default();

/**
 * A stack with what a person has to set before the first `pulumi up`, and nothing in its cloud. The checks that would ask the cloud
 * only take note, and succeed; `cloud.runCommand` can be put in their place.
 */
export async function repositoryStack(
  owner: Owner,
  stack: string,
  plain: Record<string, string> = {},
  program: Program = inThisProcess,
): Promise<RepositoryStack> {
  const cloud = new FakeCloud();
  let commands: { command: string; environment: Record<string, string> }[] = [];
  cloud.runCommand = async (command, { environment }) => {
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
