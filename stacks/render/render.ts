import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { MANIFEST, manifest } from "@odin-ws/infra";
import { localOptions, monitoringFiles } from "@odin-ws/monitoring";
import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { choice, nonEmpty } from "@odin-ws/settings/values";
import { parseConfig } from "../config/config.ts";
import { monitoringOptions } from "../monitoring/options.ts";
import { readStack } from "../preview/stack-config.ts";

/** What the command line of `npm run render` asks for. */
export interface RenderOptions {
  /** Whose Pulumi.STACK.yaml is used; `local` for the files of a laptop. */
  stack: string;
  /** Folder of the files; undefined: build/monitoring/STACK. */
  out: string | undefined;
}

const LOCAL = "local";
const RENDERED = join("build", "monitoring"); // in the repository's folder
/**
 * Beside the files of a laptop: `npm start` writes its log there for the log shipper of
 * monitoring/compose.yml.
 */
const LOGS = join(RENDERED, "logs");

/**
 * The command line of `npm run render`.
 *
 * @param stacks the names that --stack may have, besides `local`
 */
export const renderCommand = (stacks: readonly string[]) =>
  ({
    name: "npm run render",
    usage: "npm run render -- --stack STACK [--out FOLDER]",
    about: `Writes the files of a stack's monitoring as its bucket has them: Prometheus with its rules, Alertmanager, Loki, Grafana
with its dashboards, the log shippers. Needs no cloud, no login and no secrets, and changes nothing elsewhere.`,
    options: {
      stack: option(
        "STACK",
        choice([...stacks, LOCAL]).describe(
          "the stack whose Pulumi.STACK.yaml is used, for example staging; local: for monitoring/compose.yml, with " +
            "build/monitoring/logs for the gateway's log",
        ),
      ),
      out: option(
        "FOLDER",
        nonEmpty().optional().describe("folder in which the files are written (build/monitoring/STACK)"),
      ),
    },
  }) satisfies Command;

/** Reads the arguments after the script's name. */
export const readRenderOptions = (args: readonly string[], stacks: readonly string[]): Read<RenderOptions> =>
  readCommand(renderCommand(stacks), args);

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
