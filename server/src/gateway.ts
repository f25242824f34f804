/**
 * The part of a process that serves clients: connections, fan-out, history. Uses no source and no other
 * process.
 */

import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CLOSE, MAX_CHANNELS } from "@odin-ws/protocol";
import type { Revocation } from "@odin-ws/protocol/revocation";
import { secondNow, steadyClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { Commands } from "./connection/commands.ts";
import { Connection } from "./connection/connection.ts";
import { ConnectionRecords } from "./connection/connection-records.ts";
import type { ConnectionContext } from "./connection/context.ts";
import { Drain, type DrainPlan } from "./connection/drain.ts";
import { SeatedClients } from "./connection/seated-clients.ts";
import { inRollout, type ThrottleSettings } from "./connection/throttle.ts";
import { createContext } from "./connection-context.ts";
import type { Message } from "./delivery/message.ts";
import type { StreamEnd } from "./delivery/stream-end.ts";
import type { Closure, Seats } from "./entrance/admission.ts";
import { AuthError, type Verifier } from "./entrance/auth.ts";
import type { AdmittedClient } from "./entrance/clients.ts";
import { Entrance } from "./entrance/entrance.ts";
import { LONGEST_QUEUE } from "./entrance/handshake-limit.ts";
import { Revocations } from "./entrance/revocations.ts";
import { HttpEndpoints } from "./http/http-endpoints.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { DictionaryBytes } from "./source/source.ts";

export type { DrainPlan } from "./connection/drain.ts";

export interface GatewayOptions {
  config: Config;
  /** Name of this VM, sent in `welcome`. */
  instance: string;
  seats: Seats;
  streamEnd: StreamEnd | undefined;
  verify: Verifier | undefined;
  metrics: Metrics;
  log: Log;
  /** Largest number of sockets at the client port, including sockets of clients in the handshake. */
  maxSockets: number;
  /** Serves the demo page; returns false for a request that is not for the page. */
  page?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

/** Numbers that one serving process adds to `/stats`. */
export interface GatewayStats {
  connections: number;
  subscriptions: number;
  deliveries: number;
  dropped: number;
}

const TICK_MS = 250;
/**
 * Range of a client's first wait after an unplanned end: wide, so that not all clients of a lost VM return at
 * once. 10,000 clients in 1.8 s are 5,500 connections a second for all other gateways together.
 */
const RECONNECT = { min_ms: 200, max_ms: 2000 } as const;
const ALL_CHANNELS = "*.*";
/** How often revocations of expired tokens are forgotten. */
const SWEEP_SECONDS = 60;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #context: ConnectionContext;
  readonly #entrance: Entrance;
  readonly #connections = new Set<Connection>();
  readonly #revocations = new Revocations();
  readonly #records: ConnectionRecords;
  readonly #http: HttpEndpoints;
  /** The same connections by their seats. */
  readonly seated: SeatedClients;
  readonly #unthrottled: ThrottleSettings;
  readonly #timer: NodeJS.Timeout;
  #checkedAt = 0;
  /** A loss of which the clients were not notified yet: `count` messages after the offset `since`. */
  #loss: { since: number; count: number } | undefined;
  /** Second in which clients were last notified of a loss. */
  #lossAnnouncedAt = 0;
  #drain: Drain | undefined;

  constructor(options: GatewayOptions) {
    const { config, log } = options;
    const verify = options.verify && this.#refuseRevoked(options.verify);
    this.#options = options;
    this.seated = new SeatedClients(options.seats);
    this.#records = new ConnectionRecords(options);
    this.#context = createContext({ ...options, verify, connectionLog: this.#records.log });
    this.#unthrottled = { ...this.#context.throttle, maxLevel: 0 };
    this.#http = new HttpEndpoints({
      context: this.#context,
      records: this.#records,
      seated: this.seated,
      instance: options.instance,
      isRevoked: (identity) => this.#revocations.includes(identity, Date.now() / 1000),
      onCount: () => this.#countConnections(),
    });
    this.#entrance = new Entrance({
      config,
      maxSockets: options.maxSockets,
      verify,
      seats: options.seats,
      admitted: (client) => this.admit(client),
      refused: (...refusal) => this.#records.refused(...refusal),
      endpoints: this.#http.endpoints,
      page: options.page,
      log,
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get stats(): GatewayStats {
    const { fanout, tally } = this.#context;
    const { deliveries, dropped } = tally;
    return { connections: this.#connections.size, subscriptions: fanout.subscriptions, deliveries, dropped };
  }

  /**
   * Accepts clients. Resolves with the port; rejects when the port is not available.
   *
   * @param shared true when other processes listen on the same port and the kernel spreads the connections
   */
  listen(port: number, shared = false): Promise<number> {
    const { server } = this.#entrance;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, backlog: LONGEST_QUEUE, reusePort: shared }, () => {
        server.off("error", reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  // ——— the stream ———

  /**
   * A stream begins after `offset`, which is the same as the stream before up to the offset `sameUpTo`.
   * Clients of another stream are notified that their offsets are no longer valid.
   */
  begin(epoch: string, offset: number, sameUpTo: number): void {
    const { history, lastValues, compact, fanout } = this.#context;
    const replaced = history.epoch !== epoch;
    history.begin(epoch, offset);
    lastValues?.begin(sameUpTo);
    if (replaced) {
      compact?.begin();
      fanout.begin();
    }
    this.#loss = undefined;
    if (!replaced) return;
    this.#http.restart("another stream has begun");
    for (const connection of this.#connections) {
      connection.begin();
      connection.announce("another stream has begun: offsets restart, fetch the current state");
    }
  }

  /**
   * Delivers a message to its subscribers. With `shed` it is dropped to save load, and the subscribers are
   * notified later.
   */
  message(message: Message, shed: boolean): void {
    const { fanout, metrics, tally, writes, compact } = this.#context;
    this.remember(message);
    if (shed) {
      fanout.shed(message);
      tally.flush(message);
      return;
    }
    compact?.live(message);
    const started = process.hrtime.bigint();
    const deliveries = fanout.publish(message);
    writes.published(Number(process.hrtime.bigint() - started) / 1e9);
    tally.flush(message);
    metrics.subscribersPerChannel.observe(deliveries);
  }

  /** Adds a message to the history without delivering it. */
  remember(message: Message): void {
    const { history, lastValues } = this.#context;
    const now = steadyClock.now();
    history.append(message, now);
    lastValues?.put(message, now);
  }

  /** Takes the newest messages of channels, which may have left the stream. They are not delivered. */
  lastValues(messages: readonly Message[]): void {
    const now = steadyClock.now();
    for (const message of messages) this.#context.lastValues?.put(message, now, Date.now() - message.ts);
  }

  /** Messages of this event are encoded with this dictionary from now on. */
  dictionary(dictionary: DictionaryBytes): void {
    this.#context.compact?.dictionaries.set(dictionary);
  }

  /** Passes an offset whose message is not delivered to anyone. */
  skip(offset: number): void {
    this.#context.history.skip(offset);
  }

  /**
   * Messages up to `offset` left the stream before they were read: all clients are notified of the loss, at
   * once and then at most once a second. A stream that keeps one message of each subject may lose messages
   * all the time.
   */
  lose(offset: number): void {
    const { history } = this.#context;
    const { since, count } = this.#loss ?? { since: history.head, count: 0 };
    this.#loss = { since, count: count + offset - history.head };
    history.lose(offset);
    if (secondNow() !== this.#lossAnnouncedAt) this.#announceLoss();
  }

  #announceLoss(): void {
    if (this.#loss === undefined) return;
    const { since, count } = this.#loss;
    this.#loss = undefined;
    this.#lossAnnouncedAt = secondNow();
    this.#http.restart("messages left the stream before the gateway could read them");
    for (const connection of this.#connections) connection.lost(since, count);
  }

  /** Refuses new clients for this reason from now on; undefined: accepts them again. */
  setClosure(closure: Closure | undefined): void {
    this.#entrance.setClosure(closure);
  }

  /** Refuses these tokens from now on, and ends their connections. */
  revoke(revocations: readonly Revocation[]): void {
    this.#revocations.add(revocations);
    for (const connection of this.#connections) this.#closeIfRevoked(connection);
    this.#http.revoked();
  }

  #refuseRevoked(verify: Verifier): Verifier {
    return async (token) => {
      const identity = await verify(token);
      if (this.#revocations.includes(identity, Date.now() / 1000))
        throw new AuthError("the token has been revoked", identity.user);
      return identity;
    };
  }

  #closeIfRevoked(connection: Connection): void {
    const { user, claims } = connection;
    if (user !== undefined && this.#revocations.includes({ ...claims, user }, Date.now() / 1000))
      connection.close(CLOSE.tokenExpired, "token revoked");
  }

  // ——— connections ———

  /** Serves a client whose connection was upgraded. The simulation calls this without an entrance. */
  admit({ ws, socket, seat, identity, ip, dictionaries }: AdmittedClient): void {
    const { config, instance } = this.#options;
    const { history, throttle, limits } = this.#context;
    const id = randomBytes(9).toString("base64url");
    const throttled = inRollout(identity?.user ?? id, config.WS_THROTTLE_ROLLOUT_PERCENT);
    const connection = new Connection(this.#context, {
      id,
      ws,
      socket,
      identity,
      address: this.#records.shown(ip),
      throttle: throttled ? throttle : this.#unthrottled,
      dictionaries,
      second: secondNow(),
      // When another gateway ends, thousands of clients may connect within one second. Without a random first
      // ping they would all be pinged in the same second forever.
      firstPing: 1 + Math.floor(Math.random() * limits.pingSeconds),
    });
    ws.setHandler(new Commands(this.#context, connection));
    ws.once("close", (code) => this.#closed(connection, seat, code));
    this.#connections.add(connection);
    this.seated.add(seat, connection);
    this.#records.opened(connection);
    this.#countConnections();
    connection.control({
      type: "welcome",
      connection: id,
      instance,
      epoch: history.epoch,
      offset: history.head,
      heartbeat_seconds: limits.pingSeconds,
      reconnect: RECONNECT,
      ...(limits.maxChannels !== MAX_CHANNELS && { max_channels: limits.maxChannels }),
      ...(dictionaries !== undefined && { encoding: connection.encoding }),
    });
    if (dictionaries !== undefined) connection.refer(dictionaries);
    if (!config.ENABLE_SUBSCRIPTION_FILTERING) {
      connection.subscribe(identity?.channels ?? [ALL_CHANNELS], history.head);
    }
    connection.open();
    this.#drain?.add(connection);
    // The revocation may have arrived after the token was checked.
    this.#closeIfRevoked(connection);
  }

  #closed(connection: Connection, seat: number, code: number): void {
    connection.detach();
    this.#connections.delete(connection);
    this.#drain?.onClosed();
    this.seated.remove(seat);
    this.#countConnections();
    this.#records.closed(connection, code);
  }

  #countConnections(): void {
    this.#options.metrics.connectionsCurrent.set(this.#connections.size + this.#http.streams);
  }

  /** Disconnects all clients, spread over this many seconds; resolves when the last client is gone. */
  async drain(plan: DrainPlan): Promise<void> {
    this.#drain ??= new Drain(this.#connections, plan);
    await Promise.all([this.#drain.done, this.#http.drain(plan)]);
  }

  /** Ends everything at once. */
  stop(): void {
    clearInterval(this.#timer);
    this.#drain?.stop();
    this.#http.stop();
    for (const connection of this.#connections) connection.close(CLOSE.leaving, "the gateway stops");
    this.#entrance.server.close();
    this.#entrance.server.closeAllConnections();
    for (const connection of this.#connections) connection.ws.terminate();
  }

  #tick(): void {
    const { wheel, history, lastValues, degraded, metrics, replayBudget } = this.#context;
    const second = secondNow();
    wheel.advance(second);
    if (second === this.#checkedAt) return;
    this.#checkedAt = second;
    if (second % SWEEP_SECONDS === 0) this.#revocations.sweep(Date.now() / 1000);
    this.#announceLoss();
    this.#http.tick(second);
    this.#records.log.report();
    const now = steadyClock.now();
    history.trim(now);
    lastValues?.trim(now);
    replayBudget.sweep(now);
    const throttled = [0, 0, 0, 0];
    for (const connection of degraded) {
      connection.checkRecovery(now);
      throttled[connection.level] = (throttled[connection.level] as number) + 1;
    }
    metrics.throttledLight.set(throttled[1] as number);
    metrics.throttledMedium.set(throttled[2] as number);
    metrics.throttledHeavy.set(throttled[3] as number);
  }
}
