/** A worker process: a gateway whose stream, seats and limits come from the primary. */

import type { Registry } from "prom-client";
import { Message } from "../delivery/message.ts";
import type { Applicant, Closure, Refusal } from "../entrance/admission.ts";
import type { Seats } from "../entrance/entrance.ts";
import type { Gateway } from "../gateway.ts";
import type { MetricsSnapshot } from "./fleet.ts";
import { type StreamEvent, type ToPrimary, type ToWorker, usageOfProcess } from "./ipc.ts";
import { explainPort } from "./port.ts";

const BEAT_MS = 1000;
/**
 * Each worker has a listening socket of its own and the kernel spreads the connections over them. What node:cluster does otherwise, passing
 * each connection from the primary, leaves those hanging that are on their way to a worker that dies. Only there where the kernel cannot do it.
 */
const SHARES_PORT = process.platform === "linux";

/** Seats that the primary keeps for all workers. */
class PrimarySeats implements Seats {
  readonly #waiting = new Map<number, (refusal: Refusal | undefined) => void>();
  #id = 0;

  take(applicant: Applicant): Promise<Refusal | undefined> {
    const id = ++this.#id;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      tell({ type: "take", id, applicant });
    });
  }

  free(applicant: Applicant): void {
    tell({ type: "free", applicant });
  }

  taken(id: number, refusal: Refusal | undefined): void {
    this.#waiting.get(id)?.(refusal);
    this.#waiting.delete(id);
  }
}

function tell(message: ToPrimary): void {
  // Without a primary there is nobody to tell, and nothing to say about it: the disconnect ends this process.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** Runs until the primary ends it, or goes away itself. */
export function runWorker(options: {
  registry: Registry;
  create: (seats: Seats, closure: () => Closure | undefined) => Gateway;
}): void {
  const seats = new PrimarySeats();
  let closure: Closure | undefined;
  let events = 0;
  const gateway = options.create(seats, () => closure);

  // Ctrl-C reaches the whole process group: what is done about it the primary decides.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit(0));
  setInterval(() => tell({ type: "beat", usage: usageOfProcess(), events }), BEAT_MS);

  process.on("message", (message: ToWorker) => {
    switch (message.type) {
      case "stream":
        for (const event of message.events) follow(gateway, event);
        events += message.events.length;
        break;
      case "serve":
        gateway.listen(message.port, SHARES_PORT).then(
          () => tell({ type: "serving" }),
          (error: Error) =>
            tell({ type: "failed", message: explainPort(error, "WS_PORT", message.port).message }),
        );
        break;
      case "closure":
        closure = message.closure;
        break;
      case "taken":
        seats.taken(message.id, message.refusal);
        break;
      case "report":
        void report(message.id, gateway, options.registry);
        break;
      case "stop":
        gateway.stop();
        // The goodbyes have been handed to the kernel by then.
        setImmediate(() => process.exit(0));
        break;
      case "drain":
        void gateway.drain(message.seconds).then(() => tell({ type: "drained" }));
        break;
    }
  });
  tell({ type: "started" });
}

function follow(gateway: Gateway, event: StreamEvent): void {
  switch (event.type) {
    case "begin":
      return gateway.begin(event.epoch, event.offset);
    case "history":
      for (const packed of event.messages) gateway.remember(Message.unpack(packed));
      return;
    case "message":
      return gateway.message(Message.unpack(event.message), event.shed);
    case "skip":
      return gateway.skip(event.offset);
    case "lose":
      return gateway.lose(event.offset);
  }
}

async function report(id: number, gateway: Gateway, registry: Registry): Promise<void> {
  const metrics = (await registry.getMetricsAsJSON()) as MetricsSnapshot;
  tell({ type: "report", id, stats: gateway.stats, metrics });
}
