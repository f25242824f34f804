/** A worker process: a gateway whose stream, seats and limits come from the primary. */

import type { Registry } from "prom-client";
import { Message } from "../delivery/message.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import type { Applicant, Refusal, Seats } from "../entrance/admission.ts";
import type { Gateway } from "../gateway.ts";
import type { MetricsSnapshot } from "./fleet.ts";
import { type StreamEvent, type ToPrimary, type ToWorker, usageOfProcess } from "./ipc.ts";
import { explainPort } from "./port.ts";
import { shareNext } from "./share-next.ts";

/** The primary kills a worker that sends nothing for 3.5 s. */
const HEARTBEAT_MS = 1000;
/**
 * True where each worker has its own listening socket and the kernel spreads the connections over these
 * sockets. Otherwise node:cluster accepts in the primary and passes each connection to a worker. Connections
 * that are being passed to a worker that dies would then hang, so this is used only where the kernel cannot
 * share a port.
 */
const SHARES_PORT = process.platform === "linux";

/** Asks the primary for seats, because the primary counts the seats of all workers. */
class PrimarySeats implements Seats {
  readonly #waiting = new Map<number, (outcome: number | Refusal) => void>();
  #last = 0;

  take(applicant: Applicant): Promise<number | Refusal> {
    const seat = ++this.#last;
    return new Promise((resolve) => {
      this.#waiting.set(seat, resolve);
      sendToPrimary({ type: "take", seat, applicant });
    });
  }

  free(seat: number): void {
    sendToPrimary({ type: "free", seat });
  }

  onTaken(seat: number, refusal: Refusal | undefined): void {
    this.#waiting.get(seat)?.(refusal ?? seat);
    this.#waiting.delete(seat);
  }
}

function sendToPrimary(message: ToPrimary): void {
  // Errors are ignored: when the primary is gone, the event 'disconnect' ends this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

export interface WorkerOptions {
  registry: Registry;
  createGateway: (seats: Seats, streamEnd: StreamEnd | undefined) => Gateway;
}

/** Runs until the primary stops this worker, or until the primary is gone. */
export function runWorker({ registry, createGateway }: WorkerOptions): void {
  const seats = new PrimarySeats();
  const ends = new Map<number, (end: number | undefined) => void>();
  let endId = 0;
  // Clients of this worker that ask at the same time share one message to the primary.
  const streamEnd = shareNext(
    () =>
      new Promise<number | undefined>((resolve) => {
        ends.set(++endId, resolve);
        sendToPrimary({ type: "end", id: endId });
      }),
  );
  const gateway = createGateway(seats, streamEnd);
  let events = 0;

  // Ctrl-C reaches every process of the group, but only the primary decides what happens then.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit(0));
  let heartbeatAt = 0;
  const heartbeat = () => {
    heartbeatAt = performance.now();
    sendToPrimary({ type: "heartbeat", usage: usageOfProcess(), events });
  };
  setInterval(heartbeat, HEARTBEAT_MS);

  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "stream":
        for (const event of message.events) {
          applyEvent(gateway, event);
          events++;
          // While many events wait, no timer runs: a worker that is only busy must not look as if it hangs.
          if (performance.now() - heartbeatAt > HEARTBEAT_MS) heartbeat();
        }
        break;
      case "serve":
        gateway.listen(message.port, SHARES_PORT).then(
          () => sendToPrimary({ type: "serving" }),
          (error: Error) =>
            sendToPrimary({ type: "failed", message: explainPort(error, "WS_PORT", message.port).message }),
        );
        break;
      case "closure":
        gateway.setClosure(message.closure);
        break;
      case "taken":
        seats.onTaken(message.seat, message.refusal);
        break;
      case "check":
        void gateway.seated
          .checkClients(message.seats)
          .then(() => sendToPrimary({ type: "checked", id: message.id }));
        break;
      case "replace":
        gateway.seated.replaceClient(message.seat);
        break;
      case "end":
        ends.get(message.id)?.(message.end);
        ends.delete(message.id);
        break;
      case "report":
        void report(message.id, gateway, registry);
        break;
      case "stop":
        gateway.stop();
        // By then the close frames have been handed to the kernel.
        setImmediate(() => process.exit(0));
        break;
      case "drain":
        void gateway.drain(message.plan).then(() => sendToPrimary({ type: "drained" }));
        break;
    }
  });
  sendToPrimary({ type: "started" });
}

function applyEvent(gateway: Gateway, event: StreamEvent): void {
  switch (event.type) {
    case "begin":
      return gateway.begin(event.epoch, event.offset, event.sameUpTo);
    case "history":
      for (const packed of event.messages) gateway.remember(Message.unpack(packed));
      return;
    case "last":
      return gateway.lastValues(event.messages.map(Message.unpack));
    case "message":
      return gateway.message(Message.unpack(event.message), event.shed);
    case "skip":
      return gateway.skip(event.offset);
    case "lose":
      return gateway.lose(event.offset);
    case "revoke":
      return gateway.revoke(event.revocations);
    case "dictionary":
      return gateway.dictionary(event.dictionary);
  }
}

async function report(id: number, gateway: Gateway, registry: Registry): Promise<void> {
  // Without an answer, the primary uses the previous report.
  const metrics = await registry.getMetricsAsJSON().catch(() => undefined);
  if (metrics === undefined) return;
  sendToPrimary({ type: "report", id, stats: gateway.stats, metrics: metrics as MetricsSnapshot });
}
