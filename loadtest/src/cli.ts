/** `npm run loadtest -- SCENARIO`: loads a gateway, checks what it delivers, writes a report. */

import { fileURLToPath } from "node:url";
import { WORKER_VARIABLE } from "./worker-messages.ts";

// Each process imports only what it needs: a worker would be delayed by loading the report's modules.
if (process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined) {
  (await import("./client/worker-process.ts")).runWorker();
} else {
  await (await import("./main.ts")).main(fileURLToPath(import.meta.url));
}
