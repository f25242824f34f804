/** Keeps a process alive while the system has no resources left. */

import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import { atMostEvery, type Log } from "../log.ts";

/** Error codes of system calls that fail because descriptors, memory, disk space or ports are used up. */
const SHORTAGES: ReadonlySet<unknown> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "ENOBUFS",
  "ENOSPC",
  "EDQUOT",
  "EAGAIN",
  "EADDRNOTAVAIL",
]);
const LOG_INTERVAL_MS = 60_000;

/**
 * Logs an error of a shortage that nobody has caught, for example in a timer of a library, and continues:
 * the operation that failed is lost, but no client loses its connection. Every other error that nobody has
 * caught ends the process, as Node does by default.
 */
export function surviveShortages(log: Log): void {
  let last: Error | undefined;
  const report = atMostEvery(LOG_INTERVAL_MS, (count) =>
    log.error({ err: last, count }, "the system is short of a resource, and an operation failed"),
  );
  process.on("uncaughtException", (error: NodeJS.ErrnoException) => {
    if (SHORTAGES.has(error?.code)) {
      last = error;
      report();
      return;
    }
    process.stderr.write(`odin-ws: ${error?.stack ?? error}\n`);
    process.exit(1);
  });
}

/**
 * Starts the threads that Node uses for names, keys and compression. Node would start these threads at their
 * first use, and would end the process if the system then had no thread left.
 */
export async function startThreads(): Promise<void> {
  await promisify(randomBytes)(1);
}
