import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ProgramName } from "@odin-ws/tools/program-table";
import { findProgram, howToGet } from "@odin-ws/tools/programs";
import { stringify } from "yaml";

const TIME_LIMIT_MS = 60_000;

/** The `skip` of a test that needs a program; under CI nothing goes untested, so there it is a failure. */
export function without(name: ProgramName): string | false {
  if (findProgram(name) !== undefined) return false;
  if (process.env.CI === "true") throw new Error(howToGet(name));
  return howToGet(name);
}

/**
 * Runs a program on files that exist while it runs, in their folder.
 *
 * @param files content by path; what is no text is written as YAML
 * @param env beside PATH
 * @returns what it printed and whether it was content
 */
export async function runOnFiles(
  name: ProgramName,
  args: readonly string[],
  files: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<{ ok: boolean; output: string }> {
  const folder = await mkdtemp(join(tmpdir(), `odin-${name}-`));
  try {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(
        join(folder, path),
        typeof content === "string" ? content : stringify(content, { aliasDuplicateObjects: false }),
      );
    }
    const run = promisify(execFile)(findProgram(name) ?? name, [...args], {
      cwd: folder,
      timeout: TIME_LIMIT_MS,
      env: { PATH: process.env.PATH ?? "", ...env },
    });
    return await run.then(
      ({ stdout, stderr }) => ({ ok: true, output: stdout + stderr }),
      ({ stdout, stderr, message }) => ({ ok: false, output: `${message}\n${stdout}${stderr}` }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
