/** Where a report goes. */

import { randomUUID } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { reportHtml } from "./report-html.ts";
import type { Result } from "./result.ts";

const REPORT = 2_000_000; // bytes of a short run's, with room
const BYTES_PER_SECOND = 400; // of its timeline

export interface ReportFiles {
  html: string;
  json: string;
  /** Why they are not in the folder that was asked for. */
  trouble?: string;
}

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

function writeTo(folder: string, result: Result): ReportFiles {
  mkdirSync(folder, { recursive: true });
  const stamp = result.startedAt.slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "-");
  const path = join(resolve(folder), `${result.scenario}-${stamp}`);
  const files = { html: `${path}.html`, json: `${path}.json` };
  writeFileSync(files.json, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(files.html, reportHtml(result));
  return files;
}

/** Writes it to the folder for temporary files when its own has gone or filled up meanwhile. */
export function writeReport(result: Result, folder: string, fallback = tmpdir()): ReportFiles {
  try {
    return writeTo(folder, result);
  } catch (error) {
    return {
      ...writeTo(fallback, result),
      trouble: `not in ${resolve(folder)}: ${(error as Error).message}`,
    };
  }
}
