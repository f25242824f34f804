/** The seats of this gateway's clients, each counted with the owner of its user. Uses no clock. */

import { seatSum, shardOf, userKey } from "./hash.ts";
import type { SeatEntry, SeatMessage } from "./messages.ts";

/** An owner that answers nothing for this time has most likely ended. */
const ANSWER_MS = 1000;
/** After `waiting`, the owner may need this long: see CHECK_MS of seat-owner.ts. */
const CHECKED_MS = 3500;
/** Seats in one message: some 50 bytes each, far below the largest message of NATS (1 MiB). */
const CHUNK = 2000;

/**
 * How a claim ended: `unanswered` when its owner did not answer in time, `alone` while the other gateways
 * cannot be asked. Both give the client a seat.
 */
export type ClaimResult = "granted" | "refused" | "unanswered" | "alone";

export interface OwnSeatsOptions {
  /** Returns the gateway that counts this shard at present. */
  ownerOf: (shard: number) => string;
  /** Whether the other gateways can be asked. */
  isShared: () => boolean;
  send: (owner: string, message: SeatMessage) => void;
  /** ms since 1970 */
  wallClock: () => number;
  onResult: (result: ClaimResult) => void;
}

interface OwnSeat {
  entry: SeatEntry;
  shard: number;
  owner: string;
  /** Exists until the claim is decided. */
  claim: { resolve: (connections: number | undefined) => void; leftMs: number } | undefined;
}

export class OwnSeats {
  readonly #options: OwnSeatsOptions;
  readonly #seats = new Map<number, OwnSeat>();
  readonly #pending = new Map<number, OwnSeat>();
  /** Owners that have not answered a claim in time, and were not heard since. */
  readonly #suspects = new Set<string>();

  constructor(options: OwnSeatsOptions) {
    this.#options = options;
  }

  has(seat: number): boolean {
    return this.#seats.has(seat);
  }

  /** Resolves with undefined when the user may have this seat, otherwise with the user's connections. */
  claim(seat: number, user: string): Promise<number | undefined> {
    const { ownerOf, isShared, send, wallClock } = this.#options;
    const key = userKey(user);
    const shard = shardOf(key);
    const own: OwnSeat = {
      entry: [seat, key, wallClock()],
      shard,
      owner: ownerOf(shard),
      claim: undefined,
    };
    this.#seats.set(seat, own);
    return new Promise((resolve) => {
      own.claim = { resolve, leftMs: ANSWER_MS };
      this.#pending.set(seat, own);
      if (!isShared()) this.#keep(own, "alone");
      else if (this.#suspects.has(own.owner)) this.#keep(own, "unanswered");
      else send(own.owner, ["claim", ...own.entry]);
    });
  }

  free(seat: number): void {
    const own = this.#seats.get(seat);
    if (own === undefined) return;
    this.#seats.delete(seat);
    this.#options.send(own.owner, ["free", [seat]]);
    this.#pending.delete(seat);
    own.claim?.resolve(undefined);
  }

  // ——— answers of owners ———

  heard(owner: string): void {
    this.#suspects.delete(owner);
  }

  granted(owner: string, seat: number): void {
    const own = this.#pendingAt(owner, seat);
    if (own !== undefined) this.#decide(own, "granted");
  }

  waiting(owner: string, seat: number): void {
    const claim = this.#pendingAt(owner, seat)?.claim;
    if (claim !== undefined) claim.leftMs = CHECKED_MS;
  }

  refused(owner: string, seat: number, connections: number): void {
    const own = this.#pendingAt(owner, seat);
    if (own === undefined) return;
    this.#seats.delete(seat);
    this.#decide(own, "refused", connections);
  }

  /** Answers from an owner before the present one do not count: the claim was sent again. */
  #pendingAt(owner: string, seat: number): OwnSeat | undefined {
    const own = this.#pending.get(seat);
    return own?.owner === owner ? own : undefined;
  }

  #decide(own: OwnSeat, result: ClaimResult, connections?: number): void {
    const [seat] = own.entry;
    this.#pending.delete(seat);
    own.claim?.resolve(connections);
    own.claim = undefined;
    this.#options.onResult(result);
  }

  /** The client gets its seat without an answer. Its owner is sent the seat now, or when it is back. */
  #keep(own: OwnSeat, result: "unanswered" | "alone"): void {
    this.#decide(own, result);
    this.#options.send(own.owner, ["hold", [own.entry]]);
  }

  // ——— time and changes ———

  /** Lets time pass: claims without an answer end. */
  pass(ms: number): void {
    for (const own of this.#pending.values()) {
      const { claim } = own;
      if (claim === undefined) continue;
      claim.leftMs -= ms;
      if (claim.leftMs > 0) continue;
      this.#suspects.add(own.owner);
      this.#keep(own, "unanswered");
    }
  }

  /** From now on the other gateways cannot be asked: all clients that wait get their seats. */
  becomeAlone(): void {
    for (const own of this.#pending.values()) this.#keep(own, "alone");
  }

  /** Counts each seat with the owner that its user has now. */
  moveToOwners(): void {
    const { ownerOf, send } = this.#options;
    const freed = new Map<string, number[]>();
    const held = new Map<string, SeatEntry[]>();
    for (const own of this.#seats.values()) {
      const owner = ownerOf(own.shard);
      if (owner === own.owner) continue;
      push(freed, own.owner, own.entry[0]);
      own.owner = owner;
      if (own.claim === undefined) push(held, owner, own.entry);
      else {
        own.claim.leftMs = ANSWER_MS;
        send(owner, ["claim", ...own.entry]);
      }
    }
    for (const [owner, seats] of freed) for (const chunk of chunks(seats)) send(owner, ["free", chunk]);
    this.#hold(held);
  }

  /** Sends all seats of these owners again. */
  resend(owners: readonly string[]): void {
    const { send } = this.#options;
    const held = new Map<string, SeatEntry[]>(owners.map((owner) => [owner, []]));
    for (const own of this.#seats.values()) if (own.claim === undefined) held.get(own.owner)?.push(own.entry);
    for (const owner of owners) send(owner, ["reset"]);
    this.#hold(held);
    // The reset may have removed seats that were granted and whose answers have not arrived yet.
    for (const own of this.#pending.values())
      if (held.has(own.owner)) send(own.owner, ["claim", ...own.entry]);
  }

  #hold(held: ReadonlyMap<string, SeatEntry[]>): void {
    for (const [owner, entries] of held)
      for (const chunk of chunks(entries)) this.#options.send(owner, ["hold", chunk]);
  }

  /** Sends each owner the number and the sum of its seats, so that the owner notices a lost message. */
  sendDigests(owners: readonly string[]): void {
    const digests = new Map(owners.map((owner) => [owner, { count: 0, sum: 0 }]));
    // Whether the owner has granted these seats already is not known.
    for (const { owner } of this.#pending.values()) digests.delete(owner);
    for (const { owner, entry } of this.#seats.values()) {
      const digest = digests.get(owner);
      if (digest === undefined) continue;
      digest.count++;
      digest.sum ^= seatSum(entry[0], entry[1]);
    }
    for (const [owner, { count, sum }] of digests) this.#options.send(owner, ["digest", count, sum]);
  }
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const values = map.get(key);
  if (values === undefined) map.set(key, [value]);
  else values.push(value);
}

function* chunks<T>(values: readonly T[]): Generator<T[]> {
  for (let at = 0; at < values.length; at += CHUNK) yield values.slice(at, at + CHUNK);
}
