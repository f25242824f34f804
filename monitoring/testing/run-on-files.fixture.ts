import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { ProgramName } from "@odin-ws/tools/program-table";
import { findProgram, howToGet } from "@odin-ws/tools/programs";
import { stringify } from "yaml";

const TIME_LIMIT_MS = 60_000;

/**
 * Value of `skip` for a test that needs a program: false where the program is installed, else how to install
 * the program.
 *
 * @throws Error under CI when the program is missing, because CI must not skip a test
 */
export function skipWithout(name: ProgramName): string | false {
  if (findProgram(name) !== undefined) return false;
  if (process.env.CI === "true") throw new Error(howToGet(name));
  return howToGet(name);
}

/**
 * Runs a program in a temporary folder that holds the given files.
 *
 * @param files content by path; content that is not text is written as YAML
 * @param env variables in addition to PATH
 * @returns the program's output, and whether the program exited with 0
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
