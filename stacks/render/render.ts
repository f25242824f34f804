import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { MANIFEST, manifest } from "@odin-ws/infra";
import { localOptions, monitoringFiles } from "@odin-ws/monitoring";
import { parseConfig } from "../config/config.ts";
import type { Mistake } from "../config/values.ts";
import { monitoringOptions } from "../monitoring/options.ts";
import { readStack } from "../preview/stack-config.ts";

/** What the command line of `npm run render` asks for. */
export interface RenderOptions {
  /** Whose Pulumi.STACK.yaml is used; `local` for the files of a laptop. */
  stack: string;
  /** Folder of the files; undefined: build/monitoring/STACK. */
  out: string | undefined;
}

export const HELP = `npm run render -- --stack STACK [--out FOLDER]

Writes the files of a stack's monitoring as its bucket has them: Prometheus with its rules, Alertmanager, Loki, Grafana
with its dashboards, the log shippers. Needs no cloud, no login and no secrets, and changes nothing elsewhere.

  --stack STACK   whose Pulumi.STACK.yaml is used, for example staging; local: for monitoring/compose.yml,
                  with build/monitoring/logs for the gateway's log
  --out FOLDER    where they are written (build/monitoring/STACK)
  --help          shows this`;

const LOCAL = "local";
const RENDERED = join("build", "monitoring"); // in the repository's folder
/** Beside the files of a laptop: `npm start` writes its log there for the log shipper of monitoring/compose.yml. */
const LOGS = join(RENDERED, "logs");

/**
 * Reads the arguments after the script's name.
 *
 * @param stacks the names that --stack may have, besides `local`
 * @returns the options, what is wrong with them (a line each), or "help"
 */
export function readRenderOptions(
  args: string[],
  stacks: readonly string[],
): RenderOptions | { mistakes: string[] } | "help" {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return { mistakes: [String((error as Error).message).split("\n")[0] ?? ""] };
  }
  const { stack, out, help } = parsed.values;
  if (help) return "help";
  const known = [...stacks, LOCAL];
  const mistakes: Mistake[] = [];
  if (stack === undefined) mistakes.push(`--stack is missing: one of ${known.join(", ")}`);
  else if (!known.includes(stack)) mistakes.push(`--stack is ${stack}: one of ${known.join(", ")}`);
  if (out === "") mistakes.push("--out is empty: a path");
  if (mistakes.length > 0 || stack === undefined) return { mistakes };
  return { stack, out };
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: { stack: { type: "string" }, out: { type: "string" }, help: { type: "boolean" } },
  });
}

/**
 * The files of a stack's monitoring as its bucket has them, including the manifest.
 *
 * @param folder folder of Pulumi.yaml and the stacks' files
 * @returns content by path, and a note for each missing or encrypted value that has a stand-in
 * @throws StackConfigError, ConfigError
 */
export function renderStack(
  stack: string,
  folder: string,
): { files: Record<string, string>; notes: string[] } {
  if (stack === LOCAL) return { files: withManifest(monitoringFiles(localOptions())), notes: [] };
  const { project, config, notes } = readStack(folder, stack);
  const own = `${project}:`;
  const options = monitoringOptions(
    parseConfig({
      values: Object.fromEntries(
        Object.entries(config)
          .filter(([key]) => key.startsWith(own))
          .map(([key, value]) => [key.slice(own.length), value]),
      ),
      stack,
      project: config["gcp:project"],
      region: config["gcp:region"],
    }),
  );
  return { files: withManifest(monitoringFiles(options)), notes };
}

function withManifest(files: Record<string, string>): Record<string, string> {
  return { ...files, [MANIFEST]: manifest(files) };
}

/**
 * Writes the files of a stack's monitoring, and returns the text to print. Removes files of an earlier run
 * that are no longer rendered.
 *
 * @param folder folder of Pulumi.yaml and the stacks' files
 * @throws StackConfigError, ConfigError; Error when the target folder has files that were not rendered
 */
export function render({ stack, out }: RenderOptions, folder: string): string {
  const { files, notes } = renderStack(stack, folder);
  const target = resolve(out ?? join(folder, RENDERED, stack));
  removeEarlier(target, files);
  for (const [path, content] of Object.entries(files)) {
    const file = join(target, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  // Docker would create a missing folder as root.
  if (stack === LOCAL && out === undefined) mkdirSync(join(folder, LOGS), { recursive: true });
  const shown = relative(process.cwd(), target) || ".";
  return [
    ...notes.map((note) => `note: ${note}`),
    ...Object.keys(files).map((path) => join(shown, path)),
    "",
  ].join("\n");
}

/**
 * Removes files that the manifest of an earlier run lists and that are no longer rendered, and no other
 * files.
 */
function removeEarlier(target: string, files: Record<string, string>): void {
  const list = join(target, MANIFEST);
  if (!existsSync(list)) {
    if (!existsSync(target) || readdirSync(target).length === 0) return;
    throw Object.assign(
      new Error(`${target} holds files that were not rendered: give an empty or a new folder with --out`),
      { code: "NOT_EMPTY" },
    );
  }
  const before = readFileSync(list, "utf8").matchAll(/^[0-9a-f]{64} {2}(\S+)$/gm);
  for (const [, path = ""] of before) {
    const file = resolve(target, path);
    if (!(path in files) && file.startsWith(join(target, "/"))) rmSync(file, { force: true });
  }
}
