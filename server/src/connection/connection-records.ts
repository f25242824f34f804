/** Records what happens to connections: in the metrics, and in the log with the user and the address. */

import { CLOSE } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Config } from "../config.ts";
import type { Applicant, RefusalReason } from "../entrance/admission.ts";
import { shownAddress } from "../entrance/client-address.ts";
import type { Ending } from "../entrance/client-socket.ts";
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
  /** How the connection ended. `reportedCode`: as ws reports it. */
  ending(reportedCode: number): Ending;
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
      // The setting is for the whole VM.
      perSecond: config.LOG_CONNECTIONS_PER_SECOND / config.WS_WORKER_POOL_SIZE,
      onLeftOut: (event) => metrics.logLinesLeftOut.inc({ event }),
      now: steadyClock.now,
    });
  }

  /** Returns an address as log lines show it. */
  shown(ip: string): string | undefined {
    return shownAddress(ip, this.#addresses);
  }

  /** `detail`: what the client was answered, if anything. */
  refused(reason: RefusalReason, { user, ip }: Applicant, detail?: string): void {
    this.#metrics.connectionsRejected.inc({ reason });
    this.log.write("refused", reason, () => ({ user, address: this.shown(ip), reason, detail }));
  }

  opened({ id: connection, user, address }: Recorded): void {
    this.#metrics.connectionsTotal.inc();
    this.log.write("opened", "", () => ({ connection, user, address }));
  }

  /** `reportedCode`: as ws reports it. */
  closed(connection: Recorded, reportedCode: number): void {
    const { id, user, address, deliveries, socket } = connection;
    const { code, reason, by } = connection.ending(reportedCode);
    const label = closeLabel(code);
    const seconds = Math.floor(steadyClock.now() / 1000) - connection.openedAt;
    this.#metrics.disconnects.inc({ code: label });
    this.#metrics.connectionDuration.observe(seconds);
    this.log.write("closed", label, () => {
      const bytes = socket.bytesWritten;
      return { connection: id, user, address, code, reason, by, seconds, deliveries, bytes };
    });
  }
}

// Clients choose codes of 3000 and above themselves. Codes that are not the gateway's share one label:
// otherwise clients could add any number of series.
function closeLabel(code: number): string {
  return code < 3000 || code === CLOSE.tokenExpired || code === CLOSE.replaced ? String(code) : "other";
}
