/**
 * Decides for the users whose seats this gateway counts for all gateways. Before a user is refused, or loses
 * a connection, the gateways that hold the user's connections check which of them still answer. Uses no
 * clock.
 */

import type { SeatEntry, SeatMessage } from "./messages.ts";
import { type BookedSeat, SeatBook } from "./seat-book.ts";

export interface UserLimit {
  /** Connections of one user. */
  maxPerUser: number;
  /** At the limit: refuse the newest connection, or close the oldest one. */
  action: "refuse" | "replace";
}

export interface SeatOwnerOptions {
  limit: UserLimit;
  send: (gateway: string, message: SeatMessage) => void;
}

/**
 * Time for the gateways to check their clients. A gateway gives its clients 1.5 s, and one that does not
 * answer has ended: its clients lose their seats.
 */
const CHECK_MS = 2500;
/**
 * A user may exceed the limit for a moment, while seats move to another owner and some gateways are ahead of
 * others. After this time, the connections beyond the limit are closed.
 */
const SETTLE_MS = 2000;

interface Claim {
  gateway: string;
  entry: SeatEntry;
}

/** A running check of the connections of one user. */
interface Check {
  id: number;
  user: string;
  /** Gateways that have not answered. */
  holders: Set<string>;
  leftMs: number;
  /** Clients that wait for the result. */
  waiting: Claim[];
  /** Connections beyond the limit are closed afterwards. */
  enforce: boolean;
}

export class SeatOwner {
  readonly book = new SeatBook();
  readonly #limit: UserLimit;
  readonly #send: SeatOwnerOptions["send"];
  /** By user. */
  readonly #checks = new Map<string, Check>();
  /** Users above the limit, with the time until the limit is enforced, ms. */
  readonly #over = new Map<string, number>();
  #checkId = 0;

  constructor({ limit, send }: SeatOwnerOptions) {
    this.#limit = limit;
    this.#send = send;
  }

  claim(gateway: string, entry: SeatEntry): void {
    const [seat, user] = entry;
    const claim = { gateway, entry };
    const booked = this.book.of(user).some((one) => one.gateway === gateway && one.seat === seat);
    if (booked || this.#hasRoom(user)) return this.#grant(claim);
    const check = this.#checks.get(user) ?? this.#startCheck(user);
    if (check.waiting.some((one) => one.gateway === gateway && one.entry[0] === seat)) return;
    // At most as many clients as the limit can get a seat: a further one need not wait.
    if (check.waiting.length >= this.#limit.maxPerUser) return this.#decide(claim);
    check.waiting.push(claim);
    this.#send(gateway, ["waiting", seat]);
  }

  hold(gateway: string, entries: readonly SeatEntry[]): void {
    for (const entry of entries) {
      this.book.add(gateway, entry);
      const [, user] = entry;
      if (this.book.of(user).length > this.#limit.maxPerUser && !this.#over.has(user))
        this.#over.set(user, SETTLE_MS);
    }
  }

  free(gateway: string, seats: readonly number[]): void {
    for (const seat of seats) this.book.remove(gateway, seat);
    for (const check of this.#checks.values())
      check.waiting = check.waiting.filter((one) => one.gateway !== gateway || !seats.includes(one.entry[0]));
  }

  /** The gateway has answered a check, after `free` for each client that does not answer. */
  checked(gateway: string, id: number): void {
    for (const check of this.#checks.values()) if (check.id === id) this.#answered(check, gateway);
  }

  /** The gateway names the number and the sum of its seats. */
  digest(gateway: string, count: number, sum: number): void {
    const [booked, sumOfBooked] = this.book.digest(gateway);
    if (count !== booked || sum !== sumOfBooked) this.#send(gateway, ["resend"]);
  }

  /** The gateway has ended: its seats are free. */
  ended(gateway: string): void {
    this.book.drop(gateway);
    for (const check of [...this.#checks.values()]) {
      check.waiting = check.waiting.filter((one) => one.gateway !== gateway);
      this.#answered(check, gateway);
    }
  }

  /** Lets time pass. */
  pass(ms: number): void {
    for (const check of [...this.#checks.values()]) {
      check.leftMs -= ms;
      if (check.leftMs <= 0) this.#finish(check);
    }
    for (const [user, leftMs] of this.#over) {
      this.#over.set(user, leftMs - ms);
      if (leftMs > ms) continue;
      this.#over.delete(user);
      if (this.book.of(user).length <= this.#limit.maxPerUser) continue;
      const check = this.#checks.get(user) ?? this.#startCheck(user);
      check.enforce = true;
    }
  }

  #hasRoom(user: string): boolean {
    return this.book.of(user).length < this.#limit.maxPerUser;
  }

  #startCheck(user: string): Check {
    const seats = Map.groupBy(this.book.of(user), ({ gateway }) => gateway);
    const check: Check = {
      id: ++this.#checkId,
      user,
      holders: new Set(seats.keys()),
      leftMs: CHECK_MS,
      waiting: [],
      enforce: false,
    };
    this.#checks.set(user, check);
    for (const [gateway, booked] of seats)
      this.#send(gateway, ["check", check.id, booked.map(({ seat }) => seat)]);
    return check;
  }

  #answered(check: Check, gateway: string): void {
    if (check.holders.delete(gateway) && check.holders.size === 0) this.#finish(check);
  }

  #finish(check: Check): void {
    const { user, holders, waiting, enforce } = check;
    this.#checks.delete(user);
    for (const { gateway, seat } of this.book.of(user))
      if (holders.has(gateway)) this.book.remove(gateway, seat);
    if (enforce) {
      const { action, maxPerUser } = this.#limit;
      while (this.book.of(user).length > maxPerUser)
        this.#close(this.book.of(user).at(action === "replace" ? 0 : -1) as BookedSeat);
    }
    for (const claim of waiting) this.#decide(claim);
  }

  /** The connections of the user were checked. */
  #decide(claim: Claim): void {
    const [seat, user] = claim.entry;
    if (this.#limit.action === "replace" && !this.#hasRoom(user))
      this.#close(this.book.of(user)[0] as BookedSeat);
    if (this.#hasRoom(user)) return this.#grant(claim);
    this.#send(claim.gateway, ["refused", seat, this.book.of(user).length]);
  }

  #grant({ gateway, entry }: Claim): void {
    this.book.add(gateway, entry);
    this.#send(gateway, ["granted", entry[0]]);
  }

  #close({ gateway, seat }: BookedSeat): void {
    this.book.remove(gateway, seat);
    this.#send(gateway, ["close", [seat]]);
  }
}
