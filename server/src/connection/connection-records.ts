/** Records what happens to connections: in the metrics, and in the log with the user and the address. */

import { CLOSE } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Applicant, RefusalReason } from "../entrance/admission.ts";
import { shownAddress } from "../entrance/client-address.ts";
import type { Ending } from "../entrance/client-socket.ts";
import type { Transport } from "../entrance/clients.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { ConnectionLog } from "./connection-log.ts";

/** A connection as it is recorded: over WebSocket or over HTTP. */
export interface Recorded {
  readonly id: string;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly openedAt: number;
  readonly deliveries: number;
  readonly socket: { readonly bytesWritten: number };
  /** Undefined for a WebSocket. */
  readonly transport?: Transport;
  /** How the connection ended. `reportedCode`: as ws reports it. */
  ending(reportedCode: number): Ending;
}

/** A client that polls, from its first poll until it has stopped. */
export interface Polling {
  /** Given by the gateway, for the log only. */
  readonly id: string;
  readonly user: string | undefined;
  /** The whole address. */
  readonly ip: string;
  polls: number;
  /** Polls that were refused. */
  refused: number;
  /** Messages in all answers. */
  deliveries: number;
  /** Bytes of the bodies of all answers. */
  bytes: number;
  /** Channels of the last poll. */
  channels: number;
  /** What the last poll was answered, for example `304` or `429 rate_limited`. */
  lastAnswer: string;
}

/** Why a client no longer counts as polling. */
export interface PollingEnd {
  by: "gateway" | "client";
  reason: string;
  /** The status with which the client was refused; undefined when it was not. */
  code?: number;
  /** Seconds from the first poll to the last one. */
  seconds: number;
  /** When the last poll was, ISO 8601. */
  lastPoll: string;
}

export interface ConnectionRecordsOptions {
  config: Pick<Config, "LOG_ADDRESSES" | "LOG_CONNECTIONS_PER_SECOND" | "WS_WORKER_POOL_SIZE">;
  metrics: Metrics;
  log: Log;
}

export class ConnectionRecords {
  readonly log: ConnectionLog;
  readonly #metrics: Metrics;
  readonly #addresses: Config["LOG_ADDRESSES"];

  constructor({ config, metrics, log }: ConnectionRecordsOptions) {
    this.#metrics = metrics;
    this.#addresses = config.LOG_ADDRESSES;
    this.log = new ConnectionLog({
      log,
      // The setting is for the whole VM, and the kernel spreads the clients over the processes.
      perSecond: config.LOG_CONNECTIONS_PER_SECOND / config.WS_WORKER_POOL_SIZE,
      onLeftOut: (event) => metrics.logLinesLeftOut.inc({ event }),
      now: steadyClock.now,
    });
  }

  /** Returns an address as log lines show it. */
  shown(ip: string): string | undefined {
    return shownAddress(ip, this.#addresses);
  }

  /** `detail`: what the client was answered, if anything. `transport`: undefined for a WebSocket. */
  refused(reason: RefusalReason, applicant: Applicant, detail?: string, transport?: Transport): void {
    this.#metrics.connectionsRejected.inc({ reason });
    this.requestRefused(reason, applicant, detail, transport);
  }

  /** A client that was admitted has asked for something that it does not get. `reason`: one of few words. */
  requestRefused(reason: string, { user, ip }: Applicant, detail?: string, transport?: Transport): void {
    this.log.write("refused", reason, () => ({ transport, user, address: this.shown(ip), reason, detail }));
  }

  opened({ id: connection, user, address, transport }: Recorded): void {
    this.#metrics.connectionsTotal.inc();
    this.log.write("opened", "", () => ({ connection, transport, user, address }));
  }

  pollingBegan({ id: connection, user, ip }: Polling): void {
    this.log.write("opened", "poll", () => ({
      connection,
      transport: "poll",
      user,
      address: this.shown(ip),
    }));
  }

  pollingEnded(polling: Polling, { by, reason, code, seconds, lastPoll }: PollingEnd): void {
    const { id: connection, user, ip, lastAnswer, polls, refused, channels, deliveries, bytes } = polling;
    this.log.write("closed", "poll", () => ({
      ...{ connection, transport: "poll", user, address: this.shown(ip), code, reason, by },
      ...{ last_poll: lastPoll, last_answer: lastAnswer, seconds, polls, refused, channels },
      ...{ deliveries, bytes },
    }));
  }

  /** There are too many clients that poll for a line about this one. */
  pollingLeftOut(): void {
    this.log.leaveOut("opened", "poll");
  }

  /** `reportedCode`: as ws reports it. */
  closed(connection: Recorded, reportedCode: number): void {
    const { id, user, address, deliveries, socket, transport } = connection;
    const { code, reason, by } = connection.ending(reportedCode);
    const label = closeLabel(code);
    const seconds = Math.floor(steadyClock.now() / 1000) - connection.openedAt;
    this.#metrics.disconnects.inc({ code: label });
    this.#metrics.connectionDuration.observe(seconds);
    this.log.write("closed", label, () => {
      const bytes = socket.bytesWritten;
      return { connection: id, transport, user, address, code, reason, by, seconds, deliveries, bytes };
    });
  }
}

// Clients choose codes of 3000 and above themselves. Codes that are not the gateway's share one label:
// otherwise clients could add any number of series.
function closeLabel(code: number): string {
  return code < 3000 || code === CLOSE.tokenExpired || code === CLOSE.replaced ? String(code) : "other";
}
