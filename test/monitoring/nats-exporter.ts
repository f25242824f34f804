/**
 * A replacement for prometheus-nats-exporter: exports the numbers of a real NATS server with the same names
 * and labels.
 */

import { createServer } from "node:http";
import { OTHER_METRIC } from "../../monitoring/limits/metrics.ts";
import { get } from "../harness/http.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

interface Varz {
  server_name: string;
  connections: number;
  slow_consumers: number;
  in_msgs: number;
  out_msgs: number;
  in_bytes: number;
  out_bytes: number;
  mem: number;
  cpu: number;
}

interface Jsz {
  bytes: number;
  config: { max_storage: number };
  account_details?: {
    stream_detail?: {
      name: string;
      state: { messages: number; bytes: number; last_seq: number; consumer_count: number };
    }[];
  }[];
}

/**
 * Starts an exporter for one NATS server.
 *
 * @param monitoring base URL of the server's monitoring endpoint
 * @returns the port on which the exporter listens
 */
export async function startNatsExporter(owner: Owner, name: string, monitoring: string): Promise<number> {
  const port = await freePort();
  const server = createServer(async (_request, response) => {
    const text = await exposition(name, monitoring);
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

async function ask<Answer>(url: string): Promise<Answer | undefined> {
  const { body } = await get(url).catch(() => ({ body: "" }));
  return body === "" ? undefined : (JSON.parse(body) as Answer);
}

/** The metrics as text. There are no metrics of a server that does not answer. */
async function exposition(name: string, monitoring: string): Promise<string> {
  const [varz, jsz, health] = await Promise.all([
    ask<Varz>(`${monitoring}/varz`),
    ask<Jsz>(`${monitoring}/jsz?streams=true`),
    ask<{ status: string }>(`${monitoring}/healthz`),
  ]);
  const lines: string[] = [];
  const add = (metric: string, value: number, labels = "") =>
    lines.push(`${metric}{server_id="${name}"${labels}} ${value}`);
  if (health) add(OTHER_METRIC.natsHealth, health.status === "ok" ? 0 : 1);
  if (varz) {
    add(OTHER_METRIC.natsConnections, varz.connections);
    add(OTHER_METRIC.natsSlowConsumers, varz.slow_consumers);
    add(OTHER_METRIC.natsMessagesIn, varz.in_msgs);
    add(OTHER_METRIC.natsMessagesOut, varz.out_msgs);
    add(OTHER_METRIC.natsBytesIn, varz.in_bytes);
    add(OTHER_METRIC.natsBytesOut, varz.out_bytes);
    add(OTHER_METRIC.natsMemory, varz.mem);
    add(OTHER_METRIC.natsCpu, varz.cpu);
  }
  if (varz && jsz) {
    const labels = `,server_name="${varz.server_name}"`;
    add(OTHER_METRIC.jetstreamBytes, jsz.bytes, labels);
    add(OTHER_METRIC.jetstreamMaxBytes, jsz.config.max_storage, labels);
    for (const { stream_detail: streams = [] } of jsz.account_details ?? [])
      for (const { name: stream, state } of streams) {
        const ofStream = `${labels},stream_name="${stream}",is_stream_leader="true"`;
        add(OTHER_METRIC.streamMessages, state.messages, ofStream);
        add(OTHER_METRIC.streamBytes, state.bytes, ofStream);
        add(OTHER_METRIC.streamLastSequence, state.last_seq, ofStream);
        add(OTHER_METRIC.streamConsumers, state.consumer_count, ofStream);
      }
  }
  return `${lines.join("\n")}\n`;
}
