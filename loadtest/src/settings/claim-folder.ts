import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const REPORT = 2_000_000; // bytes of a short run's, with room
const BYTES_PER_SECOND = 400; // of its timeline

/**
 * Makes the folder and finds out whether a report of a run of so many seconds fits in: now, not after the load.
 *
 * @throws Error that says why not
 */
export function claimFolder(folder: string, seconds: number): void {
  const probe = join(folder, `.loadtest-${randomUUID()}`);
  try {
    mkdirSync(folder, { recursive: true });
    try {
      writeFileSync(probe, Buffer.alloc(REPORT + BYTES_PER_SECOND * Math.ceil(seconds), 1));
    } finally {
      rmSync(probe, { force: true });
    }
  } catch (error) {
    throw new Error(
      `the report could not be written to ${resolve(folder)}: ${(error as Error).message}; name another folder with --out or LOADTEST_OUT`,
    );
  }
}
