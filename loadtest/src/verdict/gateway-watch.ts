/** Reads the gateways' `/metrics` while the load runs. */

import { setTimeout as sleep } from "node:timers/promises";

/** Added up over the gateways; CPU is the busiest one's. */
export interface GatewayFigures {
  connections: number;
  /** Envelopes written to clients since its start. */
  sent: number;
  dropped: number;
  rejected: number;
  /** Of WS_CPU_LIMIT. */
  cpuPercent: number;
  memoryBytes: number;
}

/** Names as the gateway's `/metrics` has them. */
export const GATEWAY_METRICS: Readonly<Record<keyof GatewayFigures, string>> = {
  connections: "ws_connections_current",
  sent: "ws_messages_sent_total",
  dropped: "ws_messages_dropped_total",
  rejected: "ws_connections_rejected_total",
  cpuPercent: "ws_cpu_usage_percent",
  memoryBytes: "ws_memory_usage_bytes",
};

const EVERY = 2000; // ms
const TIMEOUT = 5000; // ms
const QUIET_WITHIN = 3000; // 3 s for those of the first look to be gone

/** Sums each metric over its series. */
export function readFigures(text: string): GatewayFigures {
  const sums = new Map<string, number>();
  for (const [, name = "", value] of text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{[^\n]*\})? (\S+)$/gm))
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
  const missing = Object.values(GATEWAY_METRICS).filter((name) => !sums.has(name));
  // These have a series only once there was an event.
  const late = [GATEWAY_METRICS.sent, GATEWAY_METRICS.dropped];
  const wrong = missing.filter((name) => !late.includes(name));
  if (wrong.length > 0) throw new Error(`no ${wrong.join(", ")} in it: is this a gateway's /metrics?`);
  const entries = Object.entries(GATEWAY_METRICS).map(([key, name]) => [key, sums.get(name) ?? 0]);
  return Object.fromEntries(entries) as unknown as GatewayFigures;
}

export class GatewayWatch {
  readonly #urls: readonly string[];
  #timer: NodeJS.Timeout | undefined;
  /** Last figures; undefined while they cannot be had. */
  now: GatewayFigures | undefined;
  /** Why not, of the first time. */
  trouble: string | undefined;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  async look(): Promise<GatewayFigures | undefined> {
    if (this.#urls.length === 0) {
      this.trouble ??= "several gateways on one host: name the /metrics of each with --metrics";
      return undefined;
    }
    try {
      const all = await Promise.all(this.#urls.map((url) => this.#ask(url)));
      const total = (key: keyof GatewayFigures) => all.reduce((sum, figures) => sum + figures[key], 0);
      this.now = {
        connections: total("connections"),
        sent: total("sent"),
        dropped: total("dropped"),
        rejected: total("rejected"),
        cpuPercent: Math.max(...all.map(({ cpuPercent }) => cpuPercent)),
        memoryBytes: total("memoryBytes"),
      };
    } catch (error) {
      this.now = undefined;
      const { message, cause } = error as Error;
      this.trouble ??= `${this.#urls.join(", ")}: ${cause instanceof Error ? cause.message || message : message}`;
    }
    return this.now;
  }

  /** The figures once nobody is connected, or as they are when that takes too long. */
  async quiet(): Promise<GatewayFigures | undefined> {
    const deadline = performance.now() + QUIET_WITHIN;
    let figures = await this.look();
    while (figures !== undefined && figures.connections > 0 && performance.now() < deadline) {
      await sleep(QUIET_WITHIN / 10);
      figures = await this.look();
    }
    return figures;
  }

  async #ask(url: string): Promise<GatewayFigures> {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT) });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    return readFigures(await response.text());
  }

  start(): void {
    const again = () => {
      this.#timer = setTimeout(() => void this.look().then(() => this.#timer && again()), EVERY);
    };
    again();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
