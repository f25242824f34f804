/**
 * Sends the stream and the closure to all workers of the pool, and the history to workers that start later.
 */

import type { Revocation } from "@odin-ws/protocol/revocation";
import { History, type HistoryLimits } from "../delivery/history.ts";
import { LastValues, type LastValuesLimits } from "../delivery/last-values.ts";
import type { Message, PackedMessage } from "../delivery/message.ts";
import type { Closure } from "../entrance/admission.ts";
import { Revocations } from "../entrance/revocations.ts";
import type { DictionaryBytes } from "../source/source.ts";
import type { Downstream } from "./hub.ts";
import type { StreamEvent } from "./ipc.ts";
import type { PoolMember } from "./pool-member.ts";

/** Messages that are sent to a new worker at once. */
const CHUNK = 1000;

export class PoolFeed implements Downstream {
  readonly #members: ReadonlyMap<number, PoolMember>;
  /** Kept for workers that start later. */
  readonly #history: History;
  readonly #lastValues: LastValues | undefined;
  /** Kept for workers that start later. */
  readonly #revocations = new Revocations();
  /** The same, by event. */
  readonly #dictionaries = new Map<string, DictionaryBytes>();
  #begun = false;
  #closure: Closure | undefined;
  /** Events that have not been sent yet. */
  #batch: StreamEvent[] = [];

  constructor(
    members: ReadonlyMap<number, PoolMember>,
    history: HistoryLimits,
    lastValues: LastValuesLimits | undefined,
  ) {
    this.#members = members;
    this.#history = new History(history);
    this.#lastValues = lastValues && new LastValues(lastValues);
  }

  begin(epoch: string, offset: number, sameUpTo: number): void {
    this.#begun = true;
    this.#history.begin(epoch, offset);
    this.#lastValues?.begin(sameUpTo);
    this.#queue({ type: "begin", epoch, offset, sameUpTo });
  }
  message(message: Message, shed: boolean): void {
    const now = performance.now();
    this.#history.append(message, now);
    this.#lastValues?.put(message, now);
    this.#queue({ type: "message", message: message.pack(), shed });
  }
  lastValues(messages: readonly Message[]): void {
    if (this.#lastValues === undefined) return;
    const now = performance.now();
    for (const message of messages) this.#lastValues.put(message, now, Date.now() - message.ts);
    this.#queue({ type: "last", messages: messages.map((message) => message.pack()) });
  }
  skip(offset: number): void {
    this.#history.skip(offset);
    this.#queue({ type: "skip", offset });
  }
  lose(offset: number): void {
    this.#history.lose(offset);
    this.#queue({ type: "lose", offset });
  }
  revoke(revocations: readonly Revocation[]): void {
    this.#revocations.add(revocations);
    this.#revocations.sweep(Date.now() / 1000);
    this.#queue({ type: "revoke", revocations });
  }
  dictionary(dictionary: DictionaryBytes): void {
    this.#dictionaries.set(dictionary.event, dictionary);
    this.#queue({ type: "dictionary", dictionary });
  }
  setClosure(closure: Closure | undefined): void {
    this.#closure = closure;
    // A worker that accepts clients again must have all events from before.
    this.#flush();
    for (const member of this.#members.values()) member.send({ type: "closure", closure });
  }

  /**
   * Sends the history and the closure to a worker that has started; from now on the worker gets every event.
   */
  attach(member: PoolMember): void {
    // Events that wait to be sent are in the history already: this worker must not get these events twice.
    this.#flush();
    send(member, [{ type: "revoke", revocations: this.#revocations.all() }]);
    const dictionaries = [...this.#dictionaries.values()];
    send(
      member,
      dictionaries.map((dictionary) => ({ type: "dictionary", dictionary })),
    );
    if (this.#begun) {
      const { epoch, floor, head } = this.#history;
      send(member, [{ type: "begin", epoch, offset: floor, sameUpTo: 0 }]);
      // The last values first, because those that are also in the history are newer than the others.
      for (const messages of packed(this.#lastValues?.all() ?? []))
        send(member, [{ type: "last", messages }]);
      for (const messages of packed(this.#history.all())) send(member, [{ type: "history", messages }]);
      send(member, [{ type: "skip", offset: head }]);
    }
    member.attached = true;
    member.send({ type: "closure", closure: this.#closure });
  }

  /** All events of one turn of the event loop are sent to each worker as one message. */
  #queue(event: StreamEvent): void {
    this.#batch.push(event);
    if (this.#batch.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const events = this.#batch;
    if (events.length === 0) return;
    this.#batch = [];
    for (const member of this.#members.values()) if (member.attached) send(member, events);
  }
}

function* packed(messages: readonly Message[]): Generator<PackedMessage[]> {
  for (let i = 0; i < messages.length; i += CHUNK) {
    yield messages.slice(i, i + CHUNK).map((message) => message.pack());
  }
}

function send(member: PoolMember, events: StreamEvent[]): void {
  member.sentEvents += events.length;
  member.send({ type: "stream", events });
}
