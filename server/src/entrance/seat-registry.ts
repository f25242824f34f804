/**
 * Gives out the seats of the whole VM, and remembers which process holds which seat. A user whose network has
 * changed comes back while the old connections still hold all seats of this user: these connections are dead,
 * but nothing has ended them yet. So the limit of a user is enforced only against connections that still
 * answer, or, as the settings want it, against none: then the newest connection replaces the oldest one.
 *
 * A user with room on this VM may have connections to other gateways: these are counted by UserSeats, which
 * is asked last.
 */

import { secondNow } from "../clock.ts";
import { type Admission, type Applicant, overUserLimit, type Refusal } from "./admission.ts";

/**
 * Time that a client has to answer a ping when its user needs the seat. Longer than a round trip on a bad
 * mobile network, and short enough that a user whose network has changed is back within 3 s.
 */
export const ANSWER_MS = 1500;

/** A process that serves the clients on its seats. */
export interface SeatHolder {
  /**
   * Pings the clients on these seats. Resolves when each of them has answered, or has not answered within
   * ANSWER_MS and has lost its seat.
   */
  checkClients(seats: readonly number[]): Promise<void>;
  /** Closes the connection on a seat that was given to a newer connection of the same user. */
  replaceClient(seat: number): void;
}

export interface UserLimit {
  /** Connections of one user; 0: no limit. */
  maxPerUser: number;
  /** At the limit: refuse the newest connection, or close the oldest one. */
  action: "refuse" | "replace";
}

/** Counts the seats of users over all gateways. */
export interface UserSeats {
  /**
   * Takes a seat for a user. Resolves with undefined, or with the number of the user's connections when there
   * are too many.
   *
   * @param id number of the seat on this VM, never used before
   */
  claim(id: number, user: string): Promise<number | undefined>;
  /** Does nothing when the seat is free already. */
  free(id: number): void;
}

/** A seat that is taken. */
interface Taken {
  /** Number of the seat on this VM. */
  id: number;
  holder: SeatHolder;
  /** Number of the seat in its holder. */
  seat: number;
  user: string | undefined;
}

/** A running check of a user's connections. */
interface Check {
  done: Promise<unknown>;
  /** Clients that wait for the result. */
  waiting: number;
}

export class SeatRegistry {
  readonly #admission: Admission;
  readonly #limit: UserLimit;
  readonly #byHolder = new Map<SeatHolder, Map<number, Taken>>();
  /** Oldest first. */
  readonly #byUser = new Map<string, Set<Taken>>();
  readonly #checks = new Map<string, Check>();
  /** Seats of users by their numbers on this VM. */
  readonly #byId = new Map<number, Taken>();
  #lastId = 0;
  /** Undefined: the limit of a user holds for this VM alone. */
  userSeats: UserSeats | undefined;

  constructor(admission: Admission, limit: UserLimit) {
    this.#admission = admission;
    this.#limit = limit;
  }

  /** A process that has not been added gets no seats. */
  add(holder: SeatHolder): void {
    this.#byHolder.set(holder, new Map());
  }

  /** The process has ended: all of its seats are free. */
  remove(holder: SeatHolder): void {
    for (const seat of this.#byHolder.get(holder)?.keys() ?? []) this.free(holder, seat);
    this.#byHolder.delete(holder);
  }

  /** Takes a seat for a client of this process, or resolves with the reason for the refusal. */
  async take(holder: SeatHolder, seat: number, applicant: Applicant): Promise<Refusal | undefined> {
    const { user } = applicant;
    const second = secondNow();
    let refusal = this.#admission.take(applicant, second);
    if (refusal?.reason === "per_user" && user !== undefined) {
      if (this.#limit.action === "replace") this.#replaceOldest(user);
      else if (!(await this.#checkUser(user))) return refusal;
      refusal = this.#admission.takeAgain(applicant);
    }
    if (refusal !== undefined) return refusal;
    const taken = { id: ++this.#lastId, holder, seat, user };
    this.#record(taken);
    if (user === undefined || this.userSeats === undefined) return undefined;
    const connections = await this.userSeats.claim(taken.id, user);
    // Meanwhile a newer connection may have replaced this one.
    if (connections === undefined && this.#byId.has(taken.id)) return undefined;
    this.free(holder, seat);
    return overUserLimit(connections ?? this.#limit.maxPerUser, this.#limit.maxPerUser);
  }

  /** Checks the clients on these seats, given by their numbers on this VM, like `SeatHolder.checkClients`. */
  async check(ids: readonly number[]): Promise<void> {
    const found = ids.map((id) => this.#byId.get(id)).filter((taken) => taken !== undefined);
    const byHolder = Map.groupBy(found, ({ holder }) => holder);
    await Promise.all(
      [...byHolder].map(([holder, taken]) => holder.checkClients(taken.map(({ seat }) => seat))),
    );
  }

  /** Closes the client on a seat, given by its number on this VM, because a newer one has taken the seat. */
  replace(id: number): void {
    const taken = this.#byId.get(id);
    if (taken !== undefined) this.#replace(taken);
  }

  /** Gives a seat back. Does nothing when the seat is free already. */
  free(holder: SeatHolder, seat: number): void {
    const seats = this.#byHolder.get(holder);
    const taken = seats?.get(seat);
    if (taken === undefined) return;
    const { user } = taken;
    seats?.delete(seat);
    this.#admission.free({ user });
    if (user === undefined) return;
    this.#byId.delete(taken.id);
    this.userSeats?.free(taken.id);
    const ofUser = this.#byUser.get(user);
    ofUser?.delete(taken);
    if (ofUser?.size === 0) this.#byUser.delete(user);
  }

  #record(taken: Taken): void {
    const { holder, seat, user } = taken;
    const seats = this.#byHolder.get(holder);
    // The process has ended while its client waited.
    if (seats === undefined) return this.#admission.free({ user });
    seats.set(seat, taken);
    if (user === undefined) return;
    this.#byId.set(taken.id, taken);
    const ofUser = this.#byUser.get(user);
    if (ofUser === undefined) this.#byUser.set(user, new Set([taken]));
    else ofUser.add(taken);
  }

  #replaceOldest(user: string): void {
    const [oldest] = this.#byUser.get(user) ?? [];
    if (oldest !== undefined) this.#replace(oldest);
  }

  #replace({ holder, seat }: Taken): void {
    this.free(holder, seat);
    holder.replaceClient(seat);
  }

  /**
   * Waits until dead connections of a user have lost their seats. Returns false, without a wait, when as many
   * clients wait already as the user may have connections: at most this many can get a seat.
   */
  async #checkUser(user: string): Promise<boolean> {
    const check = this.#checks.get(user) ?? this.#startCheck(user);
    if (check.waiting >= this.#limit.maxPerUser) return false;
    check.waiting++;
    await check.done;
    return true;
  }

  #startCheck(user: string): Check {
    const seats = Map.groupBy(this.#byUser.get(user) ?? [], ({ holder }) => holder);
    const checks = [...seats].map(([holder, taken]) => holder.checkClients(taken.map(({ seat }) => seat)));
    const check: Check = { done: Promise.all(checks), waiting: 0 };
    this.#checks.set(user, check);
    void check.done.then(() => this.#checks.delete(user));
    return check;
  }
}
