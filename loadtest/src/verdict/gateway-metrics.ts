/** Reads the gateways' `/metrics` while the load runs. */

import { setTimeout as sleep } from "node:timers/promises";

/** Sums over all gateways; `cpuPercent` is of the busiest gateway. */
export interface GatewayFigures {
  connections: number;
  /** Envelopes written to clients since the gateways' start. */
  sent: number;
  dropped: number;
  rejected: number;
  /** Percent of WS_CPU_LIMIT. */
  cpuPercent: number;
  memoryBytes: number;
}

/** Names of the metrics in the gateway's `/metrics`. */
export const GATEWAY_METRICS: Readonly<Record<keyof GatewayFigures, string>> = {
  connections: "ws_connections_current",
  sent: "ws_messages_sent_total",
  dropped: "ws_messages_dropped_total",
  rejected: "ws_connections_rejected_total",
  cpuPercent: "ws_cpu_usage_percent",
  memoryBytes: "ws_memory_usage_bytes",
};

const READ_INTERVAL_MS = 2000;
const TIMEOUT_MS = 5000;
const IDLE_TIMEOUT_MS = 3000; // for the connections of the preflight check to end

/** Sums each metric over its series. */
export function readFigures(text: string): GatewayFigures {
  const sums = new Map<string, number>();
  for (const [, name = "", value] of text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})? (\S+)$/gm))
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  const missing = Object.values(GATEWAY_METRICS).filter((name) => !sums.has(name));
  // These metrics have a series only after the first event.
  const optional = [GATEWAY_METRICS.sent, GATEWAY_METRICS.dropped];
  const wrong = missing.filter((name) => !optional.includes(name));
  if (wrong.length > 0)
    throw new Error(`the page has no ${wrong.join(", ")}: check that this is the /metrics of a gateway`);
  const entries = Object.entries(GATEWAY_METRICS).map(([key, name]) => [key, sums.get(name) ?? 0]);
  return Object.fromEntries(entries) as unknown as GatewayFigures;
}

export class GatewayMetrics {
  readonly #urls: readonly string[];
  #timer: NodeJS.Timeout | undefined;
  /** The last figures; undefined while the metrics cannot be read. */
  last: GatewayFigures | undefined;
  /** The first reason why the metrics could not be read. */
  error: string | undefined;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  async read(): Promise<GatewayFigures | undefined> {
    if (this.#urls.length === 0) {
      this.error ??= "several gateways share a host: name the /metrics address of each with --metrics";
      return undefined;
    }
    try {
      const all = await Promise.all(this.#urls.map((url) => this.#readPage(url)));
      const total = (key: keyof GatewayFigures) => all.reduce((sum, figures) => sum + figures[key], 0);
      this.last = {
        connections: total("connections"),
        sent: total("sent"),
        dropped: total("dropped"),
        rejected: total("rejected"),
        cpuPercent: Math.max(...all.map(({ cpuPercent }) => cpuPercent)),
        memoryBytes: total("memoryBytes"),
      };
    } catch (error) {
      this.last = undefined;
      const { message, cause } = error as Error;
      this.error ??= `${this.#urls.join(", ")}: ${cause instanceof Error ? cause.message || message : message}`;
    }
    return this.last;
  }

  /** Reads the figures once no client is connected, or after a timeout as they are. */
  async readWhenIdle(): Promise<GatewayFigures | undefined> {
    const deadline = performance.now() + IDLE_TIMEOUT_MS;
    let figures = await this.read();
    while (figures !== undefined && figures.connections > 0 && performance.now() < deadline) {
      await sleep(IDLE_TIMEOUT_MS / 10);
      figures = await this.read();
    }
    return figures;
  }

  async #readPage(url: string): Promise<GatewayFigures> {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`answered with status ${response.status}`);
    return readFigures(await response.text());
  }

  /** Reads the metrics regularly until `stop`. */
  start(): void {
    const schedule = () => {
      this.#timer = setTimeout(
        () => void this.read().then(() => this.#timer && schedule()),
        READ_INTERVAL_MS,
      );
    };
    schedule();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
