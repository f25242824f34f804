/** Structured logs: JSON lines as Cloud Logging and Loki read them, or pretty lines for a person. */

import { destination, type LevelWithSilent, type Logger, pino } from "pino";
import { build as pretty } from "pino-pretty";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
export type LogLevel = LevelWithSilent;

/** Bytes of log lines that wait for an stdout that takes none; more are dropped. */
const MAX_UNWRITTEN = 1_048_576;

// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
const SEVERITY: Record<string, string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

/** The process's logger; writes to stdout, synchronously, so that the last line before an exit is not lost. */
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

/** A full disk or a closed pipe behind stdout costs log lines, not the service. */
function stdout(): ReturnType<typeof destination> {
  const stream = destination({ fd: 1, sync: true, maxLength: MAX_UNWRITTEN });
  stream.on("error", () => {});
  return stream;
}

/**
 * A function that says something at most once per `intervalMs`, with how often it happened since it was last said.
 * For what a publisher or client can cause at will.
 */
export function atMostEvery(
  intervalMs: number,
  say: (count: number) => void,
  now: () => number = Date.now,
): () => void {
  let count = 0;
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    count++;
    if (now() - last < intervalMs) return;
    last = now();
    say(count);
    count = 0;
  };
}
