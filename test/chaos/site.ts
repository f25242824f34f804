/** What the faults hit: a publisher, NATS, gateways behind a load balancer, lines, and clients. */

import { connectPublisher, type Publisher } from "@odin-ws/publisher";
import { type FaultProxy, startProxy } from "../client/fault-proxy.ts";
import { type Gateway, startGateway } from "../harness/gateway.ts";
import { type Nats, startNats } from "../harness/nats.ts";
import type { Owner } from "../harness/owner.ts";
import { Balancer } from "./balancer.ts";
import type { Stored } from "./model.ts";
import { seeded } from "./schedule.ts";
import { Viewer } from "./viewer.ts";

export interface SiteOptions {
  seed: number;
  gateways: number;
  /** Processes of each gateway. */
  workers: number;
  viewers: number;
  channels: number;
  /** Messages a second. */
  rate: number;
}

/** Channels of one viewer. */
const WATCHED = 4;
const TICK_MS = 10;

export class Site {
  readonly nats: Nats;
  /** Undefined while a gateway is down. */
  readonly gateways: (Gateway | undefined)[];
  readonly lines: readonly FaultProxy[];
  readonly viewers: readonly Viewer[];
  readonly stored: Stored[] = [];
  /** Times at which messages were taken from the stream. */
  readonly losses: number[] = [];
  readonly publisher: Publisher;
  readonly #owner: Owner;
  readonly #options: SiteOptions;
  readonly #balancer: Balancer;
  readonly #env: Record<string, string>;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(
    owner: Owner,
    options: SiteOptions,
    parts: { nats: Nats; gateways: Gateway[]; lines: FaultProxy[]; env: Record<string, string> },
  ) {
    this.#owner = owner;
    this.#options = options;
    this.#env = parts.env;
    this.nats = parts.nats;
    this.gateways = [...parts.gateways];
    this.lines = parts.lines;
    this.#balancer = new Balancer(parts.lines, parts.gateways);
    owner.after(() => this.#balancer.close());
    this.#balancer.route();
    this.publisher = connectPublisher({ servers: parts.nats.url });
    owner.after(() => this.publisher.close({ timeoutMs: 0 }));
    const random = seeded(options.seed);
    this.viewers = parts.lines.map((line, index) => new Viewer(`client ${index}`, line.url, random));
    owner.after(() => {
      for (const { client } of this.viewers) client.close();
    });
    for (const [index, viewer] of this.viewers.entries()) viewer.listen(this.watchlist(index));
  }

  /** Channels that a viewer watches, from a number that chooses among the channels. */
  watchlist(from: number): string[] {
    const { channels } = this.#options;
    return Array.from({ length: WATCHED }, (_, n) => `S${(from * WATCHED + n) % channels}.trade`);
  }

  /** Publishes all the time, until `stopPublishing`. */
  startPublishing(): void {
    const { rate } = this.#options;
    const start = performance.now();
    const from = this.#count;
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - start) / 1000) * rate);
      while (this.#count - from < due) this.#publish();
    }, TICK_MS);
  }

  stopPublishing(): void {
    clearInterval(this.#timer);
  }

  #publish(): void {
    const n = this.#count++;
    const symbol = `S${n % this.#options.channels}`;
    const publishedAt = Date.now();
    this.publisher.publish({ id: `chaos-${n}`, subject: `odin.token.${symbol}.trade`, data: { n } }).then(
      ({ offset }) =>
        this.stored.push({ n, channel: `${symbol}.trade`, offset, publishedAt, storedAt: Date.now() }),
      () => {}, // close() gives up what is not stored
    );
  }

  async startGateway(index: number): Promise<void> {
    const gateway = await startGateway(this.#owner, { nats: this.nats, env: this.#env, until: "live" });
    this.gateways[index] = gateway;
    this.#balancer.backends = this.gateways.filter((one) => one !== undefined);
  }

  /** Takes a gateway out, and returns it; undefined when it is down already. */
  takeGateway(index: number): Gateway | undefined {
    const gateway = this.gateways[index];
    this.gateways[index] = undefined;
    return gateway;
  }
}

/** Starts everything. The viewers connect afterwards. */
export async function startSite(owner: Owner, options: SiteOptions): Promise<Site> {
  const nats = await startNats(owner);
  const env = {
    WS_WORKER_POOL_SIZE: String(options.workers),
  };
  const gateways = await Promise.all(
    Array.from({ length: options.gateways }, () => startGateway(owner, { nats, env })),
  );
  const lines = await Promise.all(
    Array.from({ length: options.viewers }, () => startProxy(owner, gateways[0]?.wsPort ?? 0)),
  );
  return new Site(owner, options, { nats, gateways, lines, env });
}
