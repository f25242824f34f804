/** `npm run loadtest -- SCENARIO`: loads a gateway, checks what it delivers, writes a report. */

import { fileURLToPath } from "node:url";
import { WORKER_VARIABLE } from "./control.ts";

// Only what the process needs: a worker holds connections, and reading the sources of the report would delay it.
if (process.env[WORKER_VARIABLE] !== undefined && process.send !== undefined) {
  (await import("./client/worker.ts")).runWorker();
} else {
  await (await import("./main.ts")).main(fileURLToPath(import.meta.url));
}
