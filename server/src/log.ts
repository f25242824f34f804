/** Structured logs: JSON lines as Cloud Logging and Loki read them, or pretty lines for a person. */

import { destination, type LevelWithSilent, type Logger, pino } from "pino";
import { build as pretty } from "pino-pretty";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
export type LogLevel = LevelWithSilent;

/** Bytes of log lines that may wait while stdout is blocked; further lines are dropped. */
const MAX_WAITING_BYTES = 1_048_576;

// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
const SEVERITY: Record<string, string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

/**
 * Creates the process's logger. It writes to stdout synchronously, so that the last line before an exit is
 * not lost.
 */
export function createLog(options: { level: LogLevel; format: "json" | "pretty" }): Logger {
  if (options.format === "pretty") {
    return pino(
      { level: options.level, base: null },
      pretty({ sync: true, colorize: process.stdout.isTTY === true, translateTime: "SYS:HH:MM:ss.l" }),
    );
  }
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      messageKey: "message",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ severity: SEVERITY[label] ?? "DEFAULT" }) },
    },
    stdout(),
  );
}

/** When stdout fails (a full disk, a closed pipe), log lines are lost but the service continues. */
function stdout(): ReturnType<typeof destination> {
  const stream = destination({ fd: 1, sync: true, maxLength: MAX_WAITING_BYTES });
  stream.on("error", () => {});
  return stream;
}

/**
 * Returns a function that calls `report` at most once in `intervalMs`, with the number of calls since the
 * last report. Used for problems that a publisher or client can cause as often as it wants.
 */
export function atMostEvery(
  intervalMs: number,
  report: (count: number) => void,
  now: () => number = Date.now,
): () => void {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    count++;
    if (now() - last < intervalMs) return;
    last = now();
    report(count);
    count = 0;
  };
}
