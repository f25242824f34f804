import type { Command, WorkerMessage } from "../worker-messages.ts";
import { Worker } from "./worker.ts";

/** Runs this process as a worker of the process that forked it. */
export function runWorker(): void {
  const send = (message: WorkerMessage) => void process.send?.(message);
  let worker: Worker | undefined;
  process.on("message", async (command: Command) => {
    if (command.kind === "assign") worker = new Worker(command.assignment, send);
    const result = command.kind === "assign" ? null : ((await worker?.execute(command)) ?? null);
    send({ kind: "answer", to: command.kind, result });
  });
  // Ctrl-C reaches the whole process group, but only the first process decides when its workers end.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit());
}
