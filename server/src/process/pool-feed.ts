/**
 * Sends the stream and the closure to all workers of the pool, and the history to workers that start later.
 */

import type { Revocation } from "@odin-ws/protocol/revocation";
import { History, type HistoryLimits } from "../delivery/history.ts";
import type { Message } from "../delivery/message.ts";
import type { Closure } from "../entrance/admission.ts";
import { Revocations } from "../entrance/revocations.ts";
import type { DictionaryBytes } from "../source/source.ts";
import type { Downstream } from "./hub.ts";
import type { StreamEvent } from "./ipc.ts";
import type { PoolMember } from "./pool-member.ts";

/** Messages of the history that are sent to a new worker at once. */
const HISTORY_CHUNK = 1000;

export class PoolFeed implements Downstream {
  readonly #members: ReadonlyMap<number, PoolMember>;
  /** Kept for workers that start later. */
  readonly #history: History;
  /** Kept for workers that start later. */
  readonly #revocations = new Revocations();
  /** The same, by event. */
  readonly #dictionaries = new Map<string, DictionaryBytes>();
  #begun = false;
  #closure: Closure | undefined;
  /** Events that have not been sent yet. */
  #batch: StreamEvent[] = [];

  constructor(members: ReadonlyMap<number, PoolMember>, limits: HistoryLimits) {
    this.#members = members;
    this.#history = new History(limits);
  }

  begin(epoch: string, offset: number): void {
    this.#begun = true;
    this.#history.begin(epoch, offset);
    this.#queue({ type: "begin", epoch, offset });
  }
  message(message: Message, shed: boolean): void {
    this.#history.append(message, performance.now());
    this.#queue({ type: "message", message: message.pack(), shed });
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
      send(member, [{ type: "begin", epoch, offset: floor }]);
      const messages = this.#history.all();
      for (let i = 0; i < messages.length; i += HISTORY_CHUNK) {
        const packed = messages.slice(i, i + HISTORY_CHUNK).map((message) => message.pack());
        send(member, [{ type: "history", messages: packed }]);
      }
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

function send(member: PoolMember, events: StreamEvent[]): void {
  member.sentEvents += events.length;
  member.send({ type: "stream", events });
}
