/** A receiver of alerts for tests. */

import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

/** An alert in a message of Alertmanager. */
export interface ReceivedAlert {
  status: "firing" | "resolved";
  name: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

/** Starts a webhook; `received` grows with each message. */
export async function startWebhook(owner: Owner): Promise<{ url: string; received: ReceivedAlert[] }> {
  const port = await freePort();
  const received: ReceivedAlert[] = [];
  const server = createServer(async (request, response) => {
    const { alerts } = JSON.parse(await text(request)) as {
      alerts: {
        status: ReceivedAlert["status"];
        labels: Record<string, string>;
        annotations: Record<string, string>;
      }[];
    };
    for (const { status, labels, annotations } of alerts)
      received.push({ status, name: labels.alertname ?? "", labels, annotations });
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}/`, received };
}
