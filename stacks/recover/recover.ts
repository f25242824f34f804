import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { text } from "@odin-ws/settings/values";
import { recover } from "./pending.ts";

/** What the command line of `npm run recover` asks for. */
export interface RecoverOptions {
  /** The stack whose engine was killed. */
  stack: string;
}

const stackName = () => text((value) => /^[\w.-]+$/.test(value), "must be the name of a stack");

/** The command line of `npm run recover`. */
export const recoverCommand = {
  name: "npm run recover",
  usage: "npm run recover -- --stack STACK",
  about: `Repairs the state of a stack after its pulumi up was killed while it created resources. Looks in the cloud for
each resource that was being created, and makes Pulumi know those that exist. Changes only the state, never the cloud;
the next pulumi up does the rest. Needs pulumi on PATH, and the same logins as pulumi up.`,
  options: {
    stack: option("STACK", stackName().describe("the stack whose engine was killed, for example prod")),
  },
} satisfies Command;

/** Reads the arguments after the script's name. */
export const readRecoverOptions = (args: readonly string[]): Read<RecoverOptions> =>
  readCommand(recoverCommand, args);

const MAX_STATE = 256 * 1024 * 1024; // bytes
const execute = promisify(execFile);

/** Runs pulumi in the present folder. @throws Error with the end of what it printed */
async function pulumi(...args: string[]): Promise<string> {
  try {
    return (await execute("pulumi", args, { maxBuffer: MAX_STATE })).stdout;
  } catch (error) {
    const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
    const printed = `${stdout}${stderr}`.trim() || message;
    throw Object.assign(new Error(`pulumi ${args.join(" ")} failed:\n${printed}`), { code: "PULUMI_FAILED" });
  }
}

const nameOf = (urn: string): string => {
  const [, , types = "", name = ""] = urn.split("::");
  return `${types.split("$").at(-1)} ${name}`;
};

/**
 * Repairs the state of a stack, and returns the text to print.
 *
 * @throws Error when pulumi fails, or when a creation cannot be judged
 */
export async function recoverStack({ stack }: RecoverOptions): Promise<string> {
  const { state, sought, copies, twice, total } = recover(await pulumi("stack", "export", "--stack", stack));
  if (total === 0) return `${stack}: nothing was being created. Continue with pulumi up.\n`;
  await importState(stack, state);
  if (sought.length > 0) {
    const targets = sought.flatMap((urn) => ["--target", urn]);
    const args = ["--stack", stack, "--yes", "--skip-preview", "--non-interactive", ...targets];
    await pulumi("refresh", ...args);
  }
  const exists = new Set(urnsOf(await pulumi("stack", "export", "--stack", stack)));
  return [
    `${stack}: ${total} resources were being created.`,
    ...sought.map((urn) =>
      exists.has(urn) ? `${nameOf(urn)}: exists, and Pulumi knows it now` : `${nameOf(urn)}: was not created`,
    ),
    ...copies.map((urn) => `${nameOf(urn)}: if its second copy exists, the next pulumi up deletes it`),
    ...twice.map(
      ({ urn, name }) =>
        `${nameOf(urn)}: the next pulumi up creates it. If "${name}" exists already, delete that one first`,
    ),
    "Continue with pulumi up.",
    "",
  ].join("\n");
}

async function importState(stack: string, state: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "odin-recover-"));
  try {
    const file = join(folder, "state.json");
    writeFileSync(file, state, { mode: 0o600 });
    await pulumi("stack", "import", "--stack", stack, "--file", file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function urnsOf(exported: string): string[] {
  const { deployment } = JSON.parse(exported) as {
    deployment: { resources?: { urn: string; delete?: boolean }[] };
  };
  return (deployment.resources ?? []).filter((resource) => !resource.delete).map(({ urn }) => urn);
}
