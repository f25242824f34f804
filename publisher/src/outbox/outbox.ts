/**
 * Events that were accepted and have no acknowledgement yet, in the order in which they may be sent. Uses no
 * clock and no NATS.
 *
 * The events of a subject must be stored in their order. If two events of a subject were in flight, the
 * stream could refuse the first and store the second (while the stream is created, or while its leader
 * changes), and no retry could restore the order. So one event of each subject is in flight at a time, and
 * different subjects are sent in parallel, up to a window. An event that is sent again is then always the
 * next event of its subject. Because of its message id, the stream stores the event once and in its place.
 */

import { Fifo } from "./fifo.ts";
import { Heap } from "./heap.ts";

/** One accepted event. */
export interface Parcel {
  /** Unique. An event that was accepted later has a higher key. */
  readonly key: number;
  readonly subject: string;
  readonly bytes: number;
}

/**
 * Limits of what is in flight at once, for all subjects together. A single event is sent even if the event
 * exceeds the limits.
 */
export interface Window {
  events: number;
  bytes: number;
}

interface Flight<Item extends Parcel> {
  parcel: Item;
  lane: Fifo<Item>;
  /** In the time of the caller's clock, milliseconds. */
  sentAt: number;
}

export class Outbox<Item extends Parcel> {
  readonly #window: Window;
  // One lane for each subject that has events. The first event of a lane is in flight or ready to be sent.
  readonly #lanes = new Map<string, Fifo<Item>>();
  // Lanes whose first event may be sent. The event that was accepted first is sent first.
  readonly #ready = new Heap<Fifo<Item>>((lane) => lane.first?.key ?? 0);
  // Events in flight, in the order in which they were sent.
  readonly #flights = new Map<number, Flight<Item>>();
  #events = 0;
  #bytes = 0;
  #bytesInFlight = 0;

  constructor(window: Window) {
    this.#window = window;
  }

  /** Number of events that are waiting or in flight. */
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

  /** Returns the next event to send, which is in flight from now on. Undefined when no event may be sent. */
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

  /**
   * Removes an event that was stored or refused, so that the next event of its subject may be sent. Returns
   * undefined when the event is not in flight, because the answer came late.
   */
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

  /** Marks an event to be sent again. Returns false when the event is not in flight. */
  again(key: number): boolean {
    const flight = this.#land(key);
    if (flight === undefined) return false;
    this.#ready.push(flight.lane);
    return true;
  }

  /** Marks all events in flight to be sent again, because the connection is new. Returns their number. */
  allAgain(): number {
    const keys = [...this.#flights.keys()];
    for (const key of keys) this.again(key);
    return keys.length;
  }

  /**
   * Marks all events that were sent before `time` and have no answer to be sent again. Returns their number.
   */
  againIfSentBefore(time: number): number {
    const late: number[] = [];
    for (const [key, { sentAt }] of this.#flights) {
      if (sentAt >= time) break;
      late.push(key);
    }
    for (const key of late) this.again(key);
    return late.length;
  }

  /** The event of this subject that is in flight, if any. */
  inFlightOn(subject: string): Item | undefined {
    const first = this.#lanes.get(subject)?.first;
    return first !== undefined && this.#flights.has(first.key) ? first : undefined;
  }

  /** Removes all events and returns them in the order in which they were accepted. */
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
