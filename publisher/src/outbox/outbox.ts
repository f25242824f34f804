/**
 * Events that were accepted and not yet acknowledged, in the order in which they may be sent. Knows no clock and no NATS.
 *
 * Order on a subject must hold whatever happens to a publish. Sending a second event of a subject while the first is in
 * flight cannot promise that: when the stream refuses the first and takes the second (it was just being created, its leader
 * just changed), no retry puts them right again. So one event per subject is in flight at a time, and subjects go in
 * parallel, up to a window. What is sent again is then always the one event that its subject waits for: with its message id
 * the stream stores it once, and in its place.
 */

import { Fifo } from "./fifo.ts";
import { Heap } from "./heap.ts";

/** One event on its way. */
export interface Parcel {
  /** Unique, rising with acceptance. */
  readonly key: number;
  readonly subject: string;
  readonly bytes: number;
}

/** Bounds of what is in flight at once, over all subjects. A single event is sent whatever its size. */
export interface Window {
  events: number;
  bytes: number;
}

interface Flight<Item extends Parcel> {
  parcel: Item;
  lane: Fifo<Item>;
  /** Caller's clock, milliseconds. */
  sentAt: number;
}

export class Outbox<Item extends Parcel> {
  readonly #window: Window;
  // One lane per subject that has events; its first one is in flight or ready.
  readonly #lanes = new Map<string, Fifo<Item>>();
  // Those whose first event may be sent; the one that was accepted first is sent first.
  readonly #ready = new Heap<Fifo<Item>>((lane) => lane.first?.key ?? 0);
  // In the order in which they were sent.
  readonly #flights = new Map<number, Flight<Item>>();
  #events = 0;
  #bytes = 0;
  #bytesInFlight = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  /** Accepted and not settled, in flight or waiting. */
  get events(): number {
    return this.#events;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get inFlight(): number {
    return this.#flights.size;
  }

  add(parcel: Item): void {
    this.#events++;
    this.#bytes += parcel.bytes;
    let lane = this.#lanes.get(parcel.subject);
    if (lane === undefined) {
      lane = new Fifo();
      this.#lanes.set(parcel.subject, lane);
      lane.push(parcel);
      this.#ready.push(lane);
    } else lane.push(parcel);
  }

  /** The next event to send, now in flight; undefined when none may be sent. */
  take(now: number): Item | undefined {
    if (this.#flights.size >= this.#window.events) return undefined;
    const lane = this.#ready.first;
    const parcel = lane?.first;
    if (lane === undefined || parcel === undefined) return undefined;
    const bytes = this.#bytesInFlight + parcel.bytes;
    if (this.#flights.size > 0 && bytes > this.#window.bytes) return undefined;
    this.#ready.shift();
    this.#bytesInFlight = bytes;
    this.#flights.set(parcel.key, { parcel, lane, sentAt: now });
    return parcel;
  }

  #land(key: number): Flight<Item> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined) return undefined;
    this.#flights.delete(key);
    this.#bytesInFlight -= flight.parcel.bytes;
    return flight;
  }

  /** Stored or refused for good: the next one of its subject may go. Undefined for one that is not in flight (a late answer). */
  settle(key: number): Item | undefined {
    const flight = this.#land(key);
    if (flight === undefined) return undefined;
    const { parcel, lane } = flight;
    lane.shift();
    if (lane.first === undefined) this.#lanes.delete(parcel.subject);
    else this.#ready.push(lane);
    this.#events--;
    this.#bytes -= parcel.bytes;
    return parcel;
  }

  /** To be sent again. False for one that is not in flight. */
  again(key: number): boolean {
    const flight = this.#land(key);
    if (flight === undefined) return false;
    this.#ready.push(flight.lane);
    return true;
  }

  /** The connection is another one: everything in flight is to be sent again. Returns how many. */
  allAgain(): number {
    const keys = [...this.#flights.keys()];
    for (const key of keys) this.again(key);
    return keys.length;
  }

  /** Everything that was sent before `time` and has no answer is to be sent again. Returns how many. */
  againIfSentBefore(time: number): number {
    const late: number[] = [];
    for (const [key, { sentAt }] of this.#flights) {
      if (sentAt >= time) break;
      late.push(key);
    }
    for (const key of late) this.again(key);
    return late.length;
  }

  /** The event of a subject that is in flight. */
  inFlightOn(subject: string): Item | undefined {
    const first = this.#lanes.get(subject)?.first;
    return first !== undefined && this.#flights.has(first.key) ? first : undefined;
  }

  /** Takes everything out, in order of acceptance. */
  clear(): Item[] {
    const all: Item[] = [];
    for (const lane of this.#lanes.values()) {
      for (let parcel = lane.shift(); parcel !== undefined; parcel = lane.shift()) all.push(parcel);
    }
    this.#lanes.clear();
    this.#flights.clear();
    this.#ready.clear();
    this.#events = 0;
    this.#bytes = 0;
    this.#bytesInFlight = 0;
    return all.sort((a, b) => a.key - b.key);
  }
}
