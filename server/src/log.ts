/** Structured logs: JSON lines as Cloud Logging and Loki read them, or pretty lines for a person. */

import { isatty } from "node:tty";
import { type LevelWithSilent, type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import { steadyClock } from "./clock.ts";
import { Stdout } from "./stdout.ts";

export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;
export type LogLevel = LevelWithSilent;

// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
const SEVERITY: Record<string, string> = {
  trace: "DEBUG",
  debug: "DEBUG",
  info: "INFO",
  warn: "WARNING",
  error: "ERROR",
  fatal: "CRITICAL",
};

export interface LogOptions {
  level: LogLevel;
  format: "json" | "pretty";
  /** Called for each line that is lost because stdout does not accept lines. */
  onLost?: () => void;
}

/** Creates the process's logger. It writes to stdout, and never waits for the reader of stdout. */
export function createLog({ level, format, onLost = () => {} }: LogOptions): Logger {
  const stdout = new Stdout({
    onLost,
    onRecovered: (count) =>
      log.warn({ count }, "log lines are missing here, because stdout did not accept lines for a time"),
  });
  const log = format === "pretty" ? prettyLog(level, stdout) : jsonLog(level, stdout);
  return log;
}

function jsonLog(level: LogLevel, stdout: Stdout): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      messageKey: "message",
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ severity: SEVERITY[label] ?? "DEFAULT" }) },
    },
    stdout,
  );
}

function prettyLog(level: LogLevel, stdout: Stdout): Logger {
  const toText = prettyFactory({ colorize: isatty(1), translateTime: "SYS:HH:MM:ss.l" });
  return pino({ level, base: null }, { write: (line) => stdout.write(toText(line)) });
}

/**
 * Returns a function that calls `report` at most once in `intervalMs`, with the number of calls since the
 * last report. Used for problems that a publisher or client can cause as often as it wants.
 */
export function atMostEvery(
  intervalMs: number,
  report: (count: number) => void,
  now: () => number = steadyClock.now,
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
