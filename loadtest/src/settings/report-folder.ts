import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const REPORT_BYTES = 2_000_000; // 2 MB, more than the report of a short run
const BYTES_PER_SECOND = 400; // of the timeline

/**
 * Creates the folder and checks that there is space for the report of a run of `seconds`. The check runs
 * before the load, so that a load is not wasted.
 *
 * @throws Error that says why the report cannot be written, and what to do
 */
export function checkReportFolder(folder: string, seconds: number): void {
  const probe = join(folder, `.loadtest-${randomUUID()}`);
  try {
    mkdirSync(folder, { recursive: true });
    try {
      writeFileSync(probe, Buffer.alloc(REPORT_BYTES + BYTES_PER_SECOND * Math.ceil(seconds), 1));
    } finally {
      rmSync(probe, { force: true });
    }
  } catch (error) {
    throw new Error(
      `cannot write the report to ${resolve(folder)}: ${(error as Error).message}. Choose another folder with --out or LOADTEST_OUT`,
    );
  }
}
