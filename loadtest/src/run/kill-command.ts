/** Runs the command of `--kill`. With this option, the command breaks the connections, not the load test. */

import { spawn } from "node:child_process";

const GRACE_MS = 1000; // from SIGTERM to SIGKILL

/**
 * Runs a shell command until it ends. On a timeout or `stop`, ends the command and all processes that it
 * started.
 *
 * @param withinMs how long the command may take, ms
 * @param stop ends the command early
 * @returns what went wrong; undefined when the command ended with 0 or was stopped
 */
export async function runCommand(
  command: string,
  withinMs: number,
  stop: AbortSignal,
): Promise<string | undefined> {
  if (stop.aborted) return undefined;
  // A process group of its own, so that everything that the shell started can be ended with the shell.
  const child = spawn(command, { shell: true, detached: true, stdio: ["ignore", "ignore", "inherit"] });
  const end = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid as number), signal);
    } catch {} // the group has already ended
  };
  const atExit = () => end("SIGKILL");
  process.once("exit", atExit);
  const closed = new Promise<string | undefined>((resolve) => {
    child.once("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? code}`));
    child.once("error", ({ message }) => resolve(`could not be started: ${message}`));
  });
  const interrupted = new Promise<"late" | "stopped">((resolve) => {
    const timer = setTimeout(() => resolve("late"), withinMs);
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
    const timer = setTimeout(() => end("SIGKILL"), GRACE_MS);
    await closed;
    clearTimeout(timer);
  }
  process.removeListener("exit", atExit);
  if (first === "stopped") return undefined;
  return first === "late" ? `was still running after ${Math.round(withinMs / 1000)} s` : first;
}
