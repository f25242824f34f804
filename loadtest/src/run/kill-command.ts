/** The command that breaks the connections in place of the load test. */

import { spawn } from "node:child_process";

const GRACE = 1000; // ms from SIGTERM to SIGKILL

/**
 * Runs a shell command to its end, or ends it and all that it has started.
 *
 * @param within how long it may take, ms
 * @param stop ends it before
 * @returns what went wrong; undefined when it ended with 0, or was stopped
 */
export async function runCommand(
  command: string,
  within: number,
  stop: AbortSignal,
): Promise<string | undefined> {
  if (stop.aborted) return undefined;
  // A group of its own, so that what the shell has started ends with it.
  const child = spawn(command, { shell: true, detached: true, stdio: ["ignore", "ignore", "inherit"] });
  const end = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid as number), signal);
    } catch {} // it has ended meanwhile
  };
  const atExit = () => end("SIGKILL");
  process.once("exit", atExit);
  const closed = new Promise<string | undefined>((resolve) => {
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`));
    child.once("error", ({ message }) => resolve(`could not be started: ${message}`));
  });
  const interrupted = new Promise<"late" | "stopped">((resolve) => {
    const timer = setTimeout(() => resolve("late"), within);
    const stopped = () => resolve("stopped");
    stop.addEventListener("abort", stopped, { once: true });
    void closed.then(() => {
      clearTimeout(timer);
      stop.removeEventListener("abort", stopped);
    });
  });
  const first = await Promise.race([closed, interrupted]);
  if (first === "late" || first === "stopped") {
    end("SIGTERM");
    const timer = setTimeout(() => end("SIGKILL"), GRACE);
    await closed;
    clearTimeout(timer);
  }
  process.removeListener("exit", atExit);
  if (first === "stopped") return undefined;
  return first === "late" ? `was still running after ${Math.round(within / 1000)} s` : first;
}
