/** A gateway of the simulation: the hub, the real gateway behind it, and a source that reads the stream. */

import { readConfig } from "../../server/src/config.ts";
import { METRICS } from "../../server/src/connection/world.fixture.ts";
import { Admission } from "../../server/src/entrance/admission.ts";
import { dictionariesOf } from "../../server/src/entrance/client-request.ts";
import { Gateway } from "../../server/src/gateway.ts";
import { Hub } from "../../server/src/process/hub.ts";
import type { SimClock } from "./clock.ts";
import type { Link } from "./link.ts";
import { SimSource } from "./source.ts";
import type { SimStream } from "./stream.ts";
import type { SimTokens } from "./tokens.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Small limits, so that short schedules reach them. */
const CONFIG = readConfig({
  AUTH_MODE: "none",
  GCP_METRICS: "off",
  NATS_URL: "nats://simulated:4222",
  WS_WORKER_POOL_SIZE: "1",
  WS_COMPRESSION: "false",
  WS_REPLAY_BUFFER: "5",
  WS_SEND_BUFFER_BYTES: "1024",
  WS_THROTTLE_RECOVERY_SECONDS: "3",
  WS_MAX_BROADCAST_RATE: "30",
  // A client is never away for longer: only faults of the stream lose messages.
  JS_STREAM_MAX_AGE: "10m",
});

/** What differs between the gateways of schedules. */
export interface Variant {
  /** Messages that a gateway keeps. */
  history: number;
  /** WS_WRITE_DELAY_MS. */
  writeDelayMs: number;
  policy: "priority" | "rate";
}

export class SimGateway {
  readonly source: SimSource;
  readonly #gateway: Gateway;
  readonly #hub: Hub;
  readonly #admission = new Admission({ maxConnections: 100, maxPerUser: 0, maxPerIpPerSecond: 0 });
  readonly #links = new Set<Link>();
  readonly #tokens: SimTokens;
  #isGone = false;

  constructor(clock: SimClock, stream: SimStream, random: () => number, variant: Variant, tokens: SimTokens) {
    this.#tokens = tokens;
    const { history, writeDelayMs, policy } = variant;
    const config = {
      ...CONFIG,
      ...(Number.isFinite(history) && { JS_STREAM_MAX_MSGS: history }),
      WS_WRITE_DELAY_MS: writeDelayMs,
      WS_THROTTLE_POLICY: policy,
    };
    let seats = 0;
    this.#gateway = new Gateway({
      config,
      instance: "simulated",
      seats: { take: async () => ++seats, free() {} },
      streamEnd: () => this.source.streamEnd(),
      verify: tokens.verify,
      metrics: METRICS,
      log: SILENT as never,
      maxSockets: 100,
    });
    this.#hub = new Hub({
      config,
      admission: this.#admission,
      downstream: this.#gateway,
      metrics: METRICS,
      log: SILENT as never,
    });
    this.source = new SimSource(clock, stream, this.#hub, SILENT as never, random);
  }

  /** Whether `/health` succeeds, so that the load balancer sends new clients. */
  get isHealthy(): boolean {
    return !this.#isGone && this.#hub.unhealthy.length === 0;
  }

  async accept(link: Link): Promise<void> {
    const url = new URL(link.url);
    const token = url.searchParams.get("auth") ?? "";
    const identity = await this.#tokens.verify(token).catch(() => undefined);
    if (this.#isGone || this.#admission.closure !== undefined || identity === undefined) return link.cut();
    this.#links.add(link);
    const client = { seat: this.#links.size, identity, ip: "192.0.2.1" };
    this.#gateway.admit({ ...link.arrival, ...client, dictionaries: dictionariesOf(url) });
  }

  /** The process ends without a word. */
  kill(): void {
    this.#isGone = true;
    for (const link of this.#links) link.cut();
    this.source.end();
    this.#gateway.stop();
  }

  /** Sends the clients away over this time, and then ends. */
  async drain(seconds: number): Promise<void> {
    this.#hub.startDraining();
    await this.#gateway.drain({ seconds, restarts: false });
    if (!this.#isGone) this.kill();
  }
}
