import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import { findRow } from "../tools/programs.ts";

const TIME_LIMIT_MS = 60_000;

const PATH = findRow({
  name: "promtool",
  minimum: "1",
  version: "3",
  versionArguments: ["--version"],
  sources: [],
  byHand: "it comes with Prometheus",
});

/** Why tests with promtool are left out; false where it is here. */
export const WITHOUT_PROMTOOL =
  PATH === undefined && "needs promtool, which comes with Prometheus, on PATH or in the tools cache";

/**
 * Runs promtool on files that exist while it runs.
 *
 * @param command for example `test rules`
 * @param files content by name; what is no text is written as YAML
 * @param last the names among them that promtool gets, in this order
 * @returns what it printed and whether it was content
 */
export async function promtool(
  command: string,
  files: Record<string, unknown>,
  last: readonly string[],
): Promise<{ ok: boolean; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), "odin-promtool-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await writeFile(
        join(folder, name),
        typeof content === "string" ? content : stringify(content, { aliasDuplicateObjects: false }),
      );
    }
    const run = promisify(execFile)(PATH ?? "promtool", [...command.split(" "), ...last], {
      cwd: folder,
      timeout: TIME_LIMIT_MS,
    });
    return await run.then(
      ({ stdout, stderr }) => ({ ok: true, output: stdout + stderr }),
      ({ stdout, stderr, message }) => ({ ok: false, output: `${message}\n${stdout}${stderr}` }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
