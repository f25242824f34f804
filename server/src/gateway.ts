/** The part of a process that serves clients: connections, fan-out, history. Knows nothing of sources and other processes. */

import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { CLOSE } from "@odin-ws/protocol";
import type { Config } from "./config.ts";
import { Commands } from "./connection/commands.ts";
import { Connection } from "./connection/connection.ts";
import type { ConnectionContext, Degraded } from "./connection/context.ts";
import { Drain } from "./connection/drain.ts";
import { inRollout, type ThrottleSettings } from "./connection/throttle.ts";
import { TimerWheel } from "./connection/timer-wheel.ts";
import { Fanout } from "./delivery/fanout.ts";
import { History } from "./delivery/history.ts";
import type { Message } from "./delivery/message.ts";
import { Tally } from "./delivery/tally.ts";
import type { Applicant, Closure } from "./entrance/admission.ts";
import type { Identity, Verifier } from "./entrance/auth.ts";
import type { ClientSocket } from "./entrance/client-socket.ts";
import { Entrance, type Seats } from "./entrance/entrance.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export interface GatewayOptions {
  config: Config;
  /** Name of this VM, as `welcome` says it. */
  instance: string;
  seats: Seats;
  verify: Verifier | undefined;
  metrics: Metrics;
  log: Log;
  page?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

/** What one serving process contributes to `/stats`. */
export interface GatewayStats {
  connections: number;
  subscriptions: number;
  deliveries: number;
  dropped: number;
}

const TICK_MS = 250;
/** SYNs that may wait; the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 8192;
/** Window of a client's first wait after an unplanned end: wide enough that a lost VM's clients do not come all at once. */
const RECONNECT = { min_ms: 500, max_ms: 5000 } as const;
const ALL_CHANNELS = "*.*";
const secondNow = (): number => Math.floor(Date.now() / 1000);

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #context: ConnectionContext;
  readonly #entrance: Entrance;
  readonly #connections = new Set<Connection>();
  readonly #unthrottled: ThrottleSettings;
  readonly #timer: NodeJS.Timeout;
  #checkedAt = 0;
  #drain: Drain | undefined;

  constructor(options: GatewayOptions) {
    const { config, metrics, log, verify } = options;
    this.#options = options;
    const throttle: ThrottleSettings = {
      policy: config.WS_THROTTLE_POLICY,
      percent: [
        100,
        config.WS_THROTTLE_LIGHT_PERCENT,
        config.WS_THROTTLE_MEDIUM_PERCENT,
        config.WS_THROTTLE_HEAVY_PERCENT,
      ],
      recoveryMs: config.WS_THROTTLE_RECOVERY_SECONDS * 1000,
      maxLevel: (config.WS_THROTTLE_ENABLED
        ? config.WS_THROTTLE_MAX_LEVEL
        : 0) as ThrottleSettings["maxLevel"],
    };
    this.#unthrottled = { ...throttle, maxLevel: 0 };
    this.#context = {
      limits: {
        maxChannels: config.WS_MAX_CHANNELS,
        inboundRate: config.WS_INBOUND_RATE,
        inboundBurst: config.WS_INBOUND_BURST,
        replayBuffer: config.WS_REPLAY_BUFFER,
        sendBufferBytes: config.WS_SEND_BUFFER_BYTES,
        pingSeconds: config.WS_PING_SECONDS,
      },
      throttle,
      history: new History({
        maxAgeMs: config.JS_STREAM_MAX_AGE,
        maxMessages: config.JS_STREAM_MAX_MSGS,
        maxBytes: config.JS_STREAM_MAX_BYTES,
      }),
      fanout: new Fanout(),
      wheel: new TimerWheel(secondNow()),
      metrics,
      tally: new Tally(metrics),
      log,
      verify,
      degraded: new Set<Degraded>(),
    };
    this.#entrance = new Entrance({
      config,
      verify,
      seats: options.seats,
      admitted: (ws, socket, applicant, identity) => this.#admit(ws, socket, applicant, identity),
      refused: (reason) => metrics.connectionsRejected.inc({ reason }),
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
   * Accepts clients; resolves with the port. Rejects when it cannot be had.
   *
   * @param shared other processes listen on the same port, and the kernel spreads the connections
   */
  listen(port: number, shared = false): Promise<number> {
    const { server } = this.#entrance;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, backlog: BACKLOG, reusePort: shared }, () => {
        server.off("error", reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  // ——— the stream ———

  /** A stream begins after `offset`; clients that are here already learn that what they know of another one, or of none, is void. */
  begin(epoch: string, offset: number): void {
    const { history } = this.#context;
    const replaced = history.epoch !== epoch;
    history.begin(epoch, offset);
    if (!replaced) return;
    for (const connection of this.#connections) {
      connection.begin();
      connection.announce("another stream has begun: fetch what must be complete, offsets count anew");
    }
  }

  /** Brings a message to its subscribers; `shed` says that load must be shed and they only learn later that it was left out. */
  message(message: Message, shed: boolean): void {
    const { history, fanout, metrics, tally } = this.#context;
    history.append(message, Date.now());
    if (shed) {
      for (const { subscribers } of fanout.topicsOf(message)) {
        for (const subscriber of subscribers) subscriber.shed(message);
      }
      tally.flush(message);
      return;
    }
    const before = tally.deliveries;
    const started = process.hrtime.bigint();
    fanout.publish(message, (deliveries) =>
      metrics.messageLatency.observe(Math.max(0, Date.now() - message.ts) / 1000, deliveries),
    );
    metrics.broadcastDuration.observe(Number(process.hrtime.bigint() - started) / 1e9);
    tally.flush(message);
    metrics.subscribersPerChannel.observe(tally.deliveries - before);
  }

  /** An older message, for the history alone. */
  remember(message: Message): void {
    this.#context.history.append(message, Date.now());
  }

  /** An offset that nobody gets. */
  skip(offset: number): void {
    this.#context.history.skip(offset);
  }

  /** Messages up to `offset` left the stream before they could be read: everybody is told to resume, and so learns of the loss. */
  lose(offset: number): void {
    const { history } = this.#context;
    const since = history.head;
    history.lose(offset);
    for (const connection of this.#connections) connection.lost(since, offset - since);
  }

  /** While there is a closure, new clients are refused for that reason. */
  setClosure(closure: Closure | undefined): void {
    this.#entrance.setClosure(closure);
  }

  // ——— connections ———

  #admit(ws: ClientSocket, socket: Socket, applicant: Applicant, identity: Identity | undefined): void {
    const { config, instance, metrics } = this.#options;
    const { history, throttle, limits } = this.#context;
    const id = randomBytes(9).toString("base64url");
    const throttled = inRollout(identity?.user ?? id, config.WS_THROTTLE_ROLLOUT_PERCENT);
    const connection = new Connection(this.#context, {
      id,
      ws,
      socket,
      identity,
      throttle: throttled ? throttle : this.#unthrottled,
      second: secondNow(),
      // Thousands that came in the same second, after another gateway's end, must not be pinged in the same one ever after.
      firstPing: 1 + Math.floor(Math.random() * limits.pingSeconds),
    });
    ws.setHandler(new Commands(this.#context, connection));
    ws.once("close", (code) => this.#closed(connection, applicant, code));
    this.#connections.add(connection);
    metrics.connectionsTotal.inc();
    metrics.connectionsCurrent.set(this.#connections.size);
    connection.control({
      type: "welcome",
      connection: id,
      instance,
      epoch: history.epoch,
      offset: history.head,
      heartbeat_seconds: limits.pingSeconds,
      reconnect: RECONNECT,
    });
    if (!config.ENABLE_SUBSCRIPTION_FILTERING) {
      connection.subscribe(identity?.channels ?? [ALL_CHANNELS], history.head);
    }
    connection.open();
    this.#drain?.add(connection);
  }

  #closed(connection: Connection, applicant: Applicant, code: number): void {
    const { metrics, seats, log } = this.#options;
    connection.detach();
    this.#connections.delete(connection);
    this.#drain?.onClosed();
    seats.free(applicant);
    metrics.connectionsCurrent.set(this.#connections.size);
    metrics.disconnects.inc({ code: closeLabel(code) });
    metrics.connectionDuration.observe(Math.max(0, secondNow() - connection.openedAt));
    log.debug({ connection: connection.id, user: connection.user, code }, "connection closed");
  }

  /** Sends all clients away over this time; resolves when the last one is gone. */
  drain(seconds: number): Promise<void> {
    this.#drain ??= new Drain(this.#connections, seconds * 1000);
    return this.#drain.done;
  }

  /** Ends everything at once. */
  stop(): void {
    clearInterval(this.#timer);
    this.#drain?.stop();
    for (const connection of this.#connections) connection.close(CLOSE.leaving, "the gateway stops");
    this.#entrance.server.close();
    this.#entrance.server.closeAllConnections();
    for (const connection of this.#connections) connection.ws.terminate();
  }

  #tick(): void {
    const { wheel, history, degraded, metrics } = this.#context;
    const second = secondNow();
    wheel.advance(second);
    if (second === this.#checkedAt) return;
    this.#checkedAt = second;
    const now = Date.now();
    history.trim(now);
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

// Codes of 3000 and above are the client's to choose: only ours are told apart, or it could grow the metrics.
function closeLabel(code: number): string {
  return code < 3000 || code === CLOSE.tokenExpired ? String(code) : "other";
}
