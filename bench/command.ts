/** What all commands of the bench do in the same way. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { howToGet, program } from "@odin-ws/tools/programs";

/** Path of nats-server. @throws Error that says how to get the program */
export async function natsServerPath(): Promise<string> {
  const path = await program("nats-server");
  if (path === undefined) throw new Error(howToGet("nats-server"));
  return path;
}

/** Writes a value as JSON, and makes the folder of the file. Returns the file's full path. */
export function writeJson(file: string, value: unknown): string {
  const path = resolve(file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
  return path;
}

/** Runs a command, prints its error, and ends this process, also while connections are open. */
export async function runAndExit(main: () => Promise<void>): Promise<never> {
  try {
    await main();
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
  }
  process.exit();
}
