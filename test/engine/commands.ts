/** Runs shell commands with an environment, as `command:local:Command` does. */

import { spawn } from "node:child_process";

/** Runs one command. Rejects with the command's output when the command fails. */
export type CommandRunner = (
  command: string,
  options: { environment: Record<string, string>; dir?: string | undefined; stdin?: string | undefined },
) => Promise<{ stdout: string; stderr: string }>;

/**
 * Runs a command as pulumi-command does: with sh, with the given environment on top of this process's, and
 * without the last line end of the output.
 */
export const runShell: CommandRunner = (command, { environment, dir, stdin }) =>
  new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", command], { cwd: dir, env: { ...process.env, ...environment } });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
    });
    child.stdin.on("error", () => {}); // the command may end before it reads its input
    child.stdin.end(stdin ?? "");
    child.once("error", reject);
    child.once("close", (code) => {
      const trimmed = { stdout: stdout.replace(/\r?\n$/, ""), stderr: stderr.replace(/\r?\n$/, "") };
      if (code === 0) resolve(trimmed);
      else reject(new Error(`exit status ${code}: running ${JSON.stringify(command)}:\n${stderr || stdout}`));
    });
  });
