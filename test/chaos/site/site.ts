/** What the faults hit: a publisher, NATS, gateways behind a load balancer, lines, and clients. */

import { covers } from "@odin-ws/protocol";
import { connectPublisher, type Publisher } from "@odin-ws/publisher";
import { type FaultProxy, startProxy } from "../../client/fault-proxy.ts";
import { type Gateway, startGateway } from "../../harness/gateway.ts";
import type { Owner } from "../../harness/owner.ts";
import { within } from "../../harness/wait.ts";
import type { Stored } from "../model.ts";
import { seeded } from "../schedule.ts";
import { Balancer } from "./balancer.ts";
import { channelsOf, watchlist } from "./channels.ts";
import { type KeyServer, startKeyServer } from "./key-server.ts";
import { type NatsServers, startNatsServers } from "./nats-servers.ts";
import { PublisherRelays } from "./publisher-relays.ts";
import { Viewer } from "./viewer.ts";

export interface SiteOptions {
  seed: number;
  natsServers: number;
  gateways: number;
  /** Processes of each gateway. */
  workers: number;
  viewers: number;
  channels: number;
  /** Messages a second. */
  rate: number;
}

const TICK_MS = 10;
/** One client of this number uses the compact encoding. */
const COMPACT_EVERY = 3;
/** One client of this number may receive over HTTP. */
const FALLBACK_EVERY = 2;
/** The network of one client of this number breaks WebSockets: it always receives over HTTP. */
const HTTP_EVERY = 10;
/** Number of the first such client: none of them is a client that becomes slow on a bad line. */
const FIRST_HTTP = 5;
/** Life of a token, seconds: each client renews its token several times in a run. */
const TOKEN_SECONDS = 30;
/** Longest time until everything that was published is stored, ms. */
const FLUSH_MS = 30_000;
/** Bytes of most messages, and of one in four: these fill the buffer of a client that reads nothing. */
const SIZES = { usual: 100, large: 8000, largeEvery: 4 } as const;
const CLOCK = new URL("./clock.ts", import.meta.url).href;
/** Seconds by which the clocks of gateways are set; less than the rest of a token's life. */
const CLOCK_STEPS = [4, -4] as const;

interface Parts {
  owner: Owner;
  nats: NatsServers;
  relays: PublisherRelays;
  keys: KeyServer;
  lines: readonly FaultProxy[];
}

export class Site {
  readonly nats: NatsServers;
  readonly relays: PublisherRelays;
  readonly keys: KeyServer;
  /** Undefined while a gateway is down. */
  readonly gateways: (Gateway | undefined)[] = [];
  readonly lines: readonly FaultProxy[];
  readonly viewers: readonly Viewer[];
  readonly stored: Stored[] = [];
  /** Times at which messages were taken from the stream. */
  readonly losses: number[] = [];
  readonly publisher: Publisher;
  /** Number of the last stored message of each channel. */
  readonly #last = new Map<string, number>();
  /** Times at which messages were published that are not known to be stored. */
  readonly #unstored = new Map<number, number>();
  readonly #owner: Owner;
  readonly #options: SiteOptions;
  readonly #balancer: Balancer;
  readonly #channels: readonly string[];
  /** Text of which the bodies are parts: text that repeats would be compressed to nothing. */
  readonly #filling: string;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;
  #isOver = false;
  #natsFaults = 0;
  #calmSince = Date.now();

  constructor(options: SiteOptions, { owner, nats, relays, keys, lines }: Parts) {
    this.#owner = owner;
    this.#options = options;
    this.nats = nats;
    this.relays = relays;
    this.keys = keys;
    this.lines = lines;
    this.#channels = channelsOf(options.channels);
    this.#balancer = new Balancer(lines);
    owner.after(() => this.#balancer.close());
    this.publisher = connectPublisher({ servers: relays.urls });
    owner.after(() => this.publisher.close({ timeoutMs: 0 }).catch(() => {}));
    const random = seeded(options.seed);
    this.#filling = Array.from({ length: SIZES.large * 2 }, () =>
      Math.floor(random() * 36).toString(36),
    ).join("");
    this.viewers = lines.map((line, index) => {
      const { url } = line;
      const name = `client ${index}`;
      const token = () => keys.token(name, TOKEN_SECONDS);
      const compact = index % COMPACT_EVERY === 0;
      const isHttp = index % HTTP_EVERY === FIRST_HTTP;
      line.webSockets = !isHttp;
      return new Viewer({
        name,
        url,
        token,
        random,
        compact,
        fallback: isHttp || index % FALLBACK_EVERY === 0,
      });
    });
    owner.after(() => {
      for (const { client } of this.viewers) client.close();
    });
  }

  /** Starts all gateways, and then the clients' subscriptions. */
  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.gateways }, (_, index) => this.startGateway(index)));
    for (const [index, viewer] of this.viewers.entries()) viewer.listen(this.watchlist(index, index));
  }

  /** Channels and patterns that a client watches, from a number that chooses among the channels. */
  watchlist(viewer: number, from: number): string[] {
    return watchlist(this.#channels, viewer, from);
  }

  /** Publishes all the time, until `stopPublishing`. */
  startPublishing(): void {
    if (this.#isOver) return;
    const { rate } = this.#options;
    const start = performance.now();
    const from = this.#count;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => {
      const due = Math.floor(((performance.now() - start) / 1000) * rate);
      while (this.#count - from < due)
        this.publish(this.#channels[this.#count % this.#channels.length] as string);
    }, TICK_MS);
  }

  stopPublishing(): void {
    clearInterval(this.#timer);
  }

  /** Publishes nothing any more, also when a fault would begin again. */
  end(): void {
    this.#isOver = true;
    this.stopPublishing();
  }

  /** Publishes one message on each channel. */
  publishOnAll(): void {
    for (const channel of this.#channels) this.publish(channel);
  }

  publish(channel: string): void {
    const n = this.#count++;
    const publishedAt = Date.now();
    const size = n % SIZES.largeEvery === 0 ? SIZES.large : SIZES.usual;
    const at = n % SIZES.large;
    const data = { n, text: this.#filling.slice(at, at + size) };
    this.#unstored.set(n, publishedAt);
    this.publisher.publish({ id: `chaos-${n}`, subject: `odin.token.${channel}`, data }).then(
      ({ offset }) => {
        this.#unstored.delete(n);
        this.#last.set(channel, Math.max(n, this.#last.get(channel) ?? 0));
        this.stored.push({ n, channel, offset, publishedAt, storedAt: Date.now() });
      },
      () => {}, // close() gives up what is not stored
    );
  }

  /** The last stored message of each channel that these channels and patterns cover. */
  lastOf(names: readonly string[]): { channel: string; n: number }[] {
    const watched = this.#channels.filter((channel) => names.some((name) => covers(name, channel)));
    return watched.map((channel) => ({ channel, n: this.#last.get(channel) ?? -1 }));
  }

  /** Counts a fault that may keep the publisher from storing messages, until the promise settles. */
  async disturbNats(fault: Promise<void>): Promise<void> {
    this.#natsFaults++;
    try {
      await fault;
    } finally {
      this.#natsFaults--;
      this.#calmSince = Date.now();
    }
  }

  /** Time since the last fault of NATS or of the publisher's connection, ms; 0 during one. */
  get natsCalmMs(): number {
    return this.#natsFaults > 0 ? 0 : Date.now() - this.#calmSince;
  }

  /** Age of the oldest message that is not known to be stored, ms; 0 when all are. */
  get oldestUnstoredMs(): number {
    const [oldest = Date.now()] = this.#unstored.values();
    return Date.now() - oldest;
  }

  /**
   * Waits until everything that was published is stored.
   *
   * @throws Error when the publisher does not get there
   */
  async flush(): Promise<void> {
    const what = () => `the publisher has ${this.#unstored.size} messages that are not known to be stored`;
    await within(what, this.publisher.flush(), FLUSH_MS);
  }

  async startGateway(index: number, env: Record<string, string> = {}): Promise<Gateway> {
    const { workers, natsServers } = this.#options;
    const gateway = await startGateway(this.#owner, {
      env: {
        NATS_URL: this.nats.url,
        JS_REPLICAS: String(natsServers),
        WS_WORKER_POOL_SIZE: String(workers),
        AUTH_MODE: "jwt",
        JWKS_URL: this.keys.url,
        JWKS_MAX_AGE: "5s",
        // Slow clients are throttled, and have recovered, within seconds.
        WS_SEND_BUFFER_BYTES: "32768",
        WS_THROTTLE_RECOVERY_SECONDS: "1",
        NODE_OPTIONS: `--import=${CLOCK}`,
        CLOCK_STEP_MS: String((CLOCK_STEPS[index % CLOCK_STEPS.length] as number) * 1000),
        ...env,
      },
      until: "live",
    });
    this.gateways[index] = gateway;
    this.#balancer.backends = this.gateways.filter((one) => one !== undefined);
    return gateway;
  }

  /**
   * Takes a gateway out, and returns it; undefined when it is down already, or when no other is healthy: the
   * waits of the clients grow to 20 s while they reach no gateway at all.
   */
  takeGateway(index: number): Gateway | undefined {
    const gateway = this.gateways[index];
    const others = this.gateways.filter((one) => one !== undefined && one !== gateway);
    if (!others.some((one) => one !== undefined && this.#balancer.isHealthy(one))) return undefined;
    this.gateways[index] = undefined;
    return gateway;
  }
}

/** Starts everything. */
export async function startSite(owner: Owner, options: SiteOptions): Promise<Site> {
  const keys = await startKeyServer(owner);
  const nats = await startNatsServers(owner, options.natsServers);
  const relays = new PublisherRelays();
  await relays.start(owner, nats.ports);
  // The load balancer sets the targets before the clients connect.
  const lines = await Promise.all(Array.from({ length: options.viewers }, () => startProxy(owner, 0)));
  const site = new Site(options, { owner, nats, relays, keys, lines });
  await site.start();
  return site;
}
