/** The seats of users that one gateway counts for all gateways. */

import { seatSum } from "./hash.ts";
import type { SeatEntry } from "./messages.ts";

export interface BookedSeat {
  gateway: string;
  /** Number of the seat in its gateway. */
  seat: number;
  /** Key of the user. */
  user: string;
  /** Time of the connection, ms since 1970. */
  at: number;
}

interface OfGateway {
  seats: Map<number, BookedSeat>;
  sum: number;
}

/** The order of connections, the same for every gateway that compares them. */
function isOlder(one: BookedSeat, other: BookedSeat): boolean {
  if (one.at !== other.at) return one.at < other.at;
  if (one.gateway !== other.gateway) return one.gateway < other.gateway;
  return one.seat < other.seat;
}

export class SeatBook {
  /** Oldest first. */
  readonly #byUser = new Map<string, BookedSeat[]>();
  readonly #byGateway = new Map<string, OfGateway>();

  /** Seats of a user, oldest first. */
  of(user: string): readonly BookedSeat[] {
    return this.#byUser.get(user) ?? [];
  }

  add(gateway: string, [seat, user, at]: SeatEntry): void {
    const known = this.#byGateway.get(gateway)?.seats.get(seat);
    if (known !== undefined) {
      if (known.user === user && known.at === at) return;
      this.remove(gateway, seat);
    }
    const booked = { gateway, seat, user, at };
    const ofUser = this.#byUser.get(user);
    if (ofUser === undefined) this.#byUser.set(user, [booked]);
    else {
      const newer = ofUser.findIndex((other) => isOlder(booked, other));
      ofUser.splice(newer < 0 ? ofUser.length : newer, 0, booked);
    }
    const ofGateway = this.#byGateway.get(gateway) ?? { seats: new Map<number, BookedSeat>(), sum: 0 };
    this.#byGateway.set(gateway, ofGateway);
    ofGateway.seats.set(seat, booked);
    ofGateway.sum ^= seatSum(seat, user);
  }

  remove(gateway: string, seat: number): void {
    const ofGateway = this.#byGateway.get(gateway);
    const booked = ofGateway?.seats.get(seat);
    if (ofGateway === undefined || booked === undefined) return;
    const { user } = booked;
    ofGateway.seats.delete(seat);
    ofGateway.sum ^= seatSum(seat, user);
    if (ofGateway.seats.size === 0) this.#byGateway.delete(gateway);
    const rest = this.of(user).filter((other) => other !== booked);
    if (rest.length === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, rest);
  }

  /** Forgets all seats of a gateway. */
  drop(gateway: string): void {
    for (const seat of this.#byGateway.get(gateway)?.seats.keys() ?? []) this.remove(gateway, seat);
  }

  /** Number of the seats of a gateway, and their sum. */
  digest(gateway: string): [count: number, sum: number] {
    const { seats, sum } = this.#byGateway.get(gateway) ?? { seats: new Map(), sum: 0 };
    return [seats.size, sum];
  }
}
