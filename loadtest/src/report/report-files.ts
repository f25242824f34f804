/** Writes the report files. */

import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Result } from "../verdict/result.ts";
import { reportHtml } from "./report-html.ts";

export interface ReportFiles {
  html: string;
  json: string;
  /** Says why the files are not in the requested folder. */
  warning?: string;
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

/** Writes the report. Uses `fallback` when the folder is gone or full. */
export function writeReport(result: Result, folder: string, fallback = tmpdir()): ReportFiles {
  try {
    return writeTo(folder, result);
  } catch (error) {
    return {
      ...writeTo(fallback, result),
      warning: `the report could not be written to ${resolve(folder)}: ${(error as Error).message}`,
    };
  }
}
