/** What `command:local:Command` does: runs shell commands with an environment. */

import { spawn } from "node:child_process";

/** Runs one command; rejects with what it wrote when it fails. */
export type CommandRunner = (
  command: string,
  options: { environment: Record<string, string>; dir?: string | undefined; stdin?: string | undefined },
) => Promise<{ stdout: string; stderr: string }>;

/** As pulumi-command does it: by sh, with this process's environment below the given one, and one line end less. */
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
    child.stdin.on("error", () => {}); // it may end without reading
    child.stdin.end(stdin ?? "");
    child.once("error", reject);
    child.once("close", (code) => {
      const trimmed = { stdout: stdout.replace(/\r?\n$/, ""), stderr: stderr.replace(/\r?\n$/, "") };
      if (code === 0) resolve(trimmed);
      else reject(new Error(`exit status ${code}: running ${JSON.stringify(command)}:\n${stderr || stdout}`));
    });
  });
