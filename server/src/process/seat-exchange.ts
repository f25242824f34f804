/** Connects the seats of this gateway with those of the others: NATS, time, logs, metrics. */

import { randomBytes } from "node:crypto";
import { steadyClock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { SeatRegistry, UserSeats } from "../entrance/seat-registry.ts";
import { atMostEvery, type Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { decodeMail, encodeMail, type SeatMessage } from "../seats/messages.ts";
import type { ClaimResult } from "../seats/own-seats.ts";
import { ServiceSeats } from "../seats/service-seats.ts";
import { GatewayChannel, type GatewayChannelOptions } from "../source/gateway-channel.ts";

/** Who counts the connections of a user, as `/health` names it. */
export interface UserLimitScope {
  /** `service`: all gateways together. `gateway`: this one alone. `none`: there is no limit. */
  counted_by: "service" | "gateway" | "none";
  /** Gateways that count together. */
  gateways: number;
}

export interface SeatExchangeOptions {
  config: Pick<Config, "JS_STREAM_NAME" | "WS_MAX_CONNECTIONS_PER_USER" | "WS_USER_LIMIT_ACTION">;
  registry: Pick<SeatRegistry, "check" | "replace">;
  metrics: Pick<Metrics, "userLimitAlone" | "userLimitGateways" | "userSeatClaims">;
  log: Log;
}

const TICK_MS = 200;
/** Time in which this process did not run is not the silence of other gateways. */
const MAX_STEP_MS = 2 * TICK_MS;
const WARN_INTERVAL_MS = 60_000;
/**
 * How long a message waits for others. When many clients connect, their questions then share writes to NATS:
 * writes cost more CPU than the questions.
 */
const BATCH_MS = 5;
/** Bytes of one message of NATS, which takes 1 MiB by default. */
const MAX_BATCH = 400;

export class SeatExchange implements UserSeats {
  readonly #seats: ServiceSeats;
  readonly #channel: GatewayChannel;
  readonly #metrics: SeatExchangeOptions["metrics"];
  readonly #timer: NodeJS.Timeout;
  readonly #id = randomBytes(9).toString("base64url");
  /** Messages that wait to be sent, by receiver. */
  #outgoing = new Map<string | undefined, SeatMessage[]>();
  #passedAt = steadyClock.now();

  constructor({ config, registry, metrics, log }: SeatExchangeOptions) {
    this.#metrics = metrics;
    const onShared = (shared: boolean) => {
      metrics.userLimitAlone.set(shared ? 0 : 1);
      if (shared)
        log.info(
          { gateways: this.#seats.gateways.length },
          "connections of a user are counted by all gateways",
        );
      else
        log.warn(
          "cannot reach the other gateways over NATS: WS_MAX_CONNECTIONS_PER_USER holds for this gateway alone until they answer",
        );
    };
    this.#seats = new ServiceSeats({
      id: this.#id,
      limit: { maxPerUser: config.WS_MAX_CONNECTIONS_PER_USER, action: config.WS_USER_LIMIT_ACTION },
      send: (to, message) => this.#send(to, message),
      clients: {
        check: (ids) => registry.check(ids),
        replace: (id) => registry.replace(id),
      },
      wallClock: Date.now,
      onResult: (result: ClaimResult) => metrics.userSeatClaims.inc({ result }),
      onShared,
    });
    metrics.userLimitAlone.set(1);
    const warnOfText = atMostEvery(WARN_INTERVAL_MS, (count) =>
      log.warn({ count }, "a message of another gateway cannot be read: its version may be another one"),
    );
    const channel: GatewayChannelOptions = {
      stream: config.JS_STREAM_NAME,
      id: this.#id,
      log,
      onMessage: (text) => {
        const mail = decodeMail(text);
        if (mail === undefined) return warnOfText();
        this.#seats.receive(mail);
      },
      onConnected: (connected) => (connected ? this.#seats.connected() : this.#seats.disconnected()),
    };
    this.#channel = new GatewayChannel(channel);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get channel(): Pick<GatewayChannel, "follow"> {
    return this.#channel;
  }

  get scope(): UserLimitScope {
    const { shared, gateways } = this.#seats;
    return { counted_by: shared ? "service" : "gateway", gateways: shared ? gateways.length : 1 };
  }

  claim(id: number, user: string): Promise<number | undefined> {
    return this.#seats.claim(id, user);
  }

  free(id: number): void {
    this.#seats.free(id);
  }

  /** Frees all seats for other gateways, to which the clients will connect. */
  leave(): void {
    this.#seats.leave();
    this.#flush();
    clearInterval(this.#timer);
    this.#metrics.userLimitGateways.set(0);
  }

  #tick(): void {
    const now = steadyClock.now();
    this.#seats.pass(Math.min(now - this.#passedAt, MAX_STEP_MS));
    this.#passedAt = now;
    this.#metrics.userLimitGateways.set(this.scope.gateways);
  }

  /** Messages within BATCH_MS are sent together. */
  #send(to: string | undefined, message: SeatMessage): void {
    if (this.#outgoing.size === 0) setTimeout(() => this.#flush(), BATCH_MS);
    const messages = this.#outgoing.get(to);
    if (messages === undefined) this.#outgoing.set(to, [message]);
    else messages.push(message);
  }

  #flush(): void {
    const outgoing = this.#outgoing;
    this.#outgoing = new Map();
    for (const [to, messages] of outgoing) {
      for (const batch of batches(messages))
        this.#channel.send(to, encodeMail({ from: this.#id, messages: batch }));
    }
  }
}

/** Each `hold` has up to 100 kB, all other messages some 60 bytes. */
function* batches(messages: readonly SeatMessage[]): Generator<SeatMessage[]> {
  let batch: SeatMessage[] = [];
  for (const message of messages) {
    batch.push(message);
    if (batch.length < MAX_BATCH && message[0] !== "hold") continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
