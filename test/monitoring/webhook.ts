/** Somebody who is told of alerts. */

import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

/** One alert of a message. */
export interface Told {
  status: "firing" | "resolved";
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** Starts it; `told` grows with each message. */
export async function startWebhook(owner: Owner): Promise<{ url: string; told: Told[] }> {
  const port = await freePort();
  const told: Told[] = [];
  const server = createServer(async (request, response) => {
    const { alerts } = JSON.parse(await text(request)) as {
      alerts: {
        status: Told["status"];
        labels: Record<string, string>;
        annotations: Record<string, string>;
      }[];
    };
    for (const { status, labels, annotations } of alerts)
      told.push({ status, name: labels.alertname ?? "", labels, annotations });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}/`, told };
}
