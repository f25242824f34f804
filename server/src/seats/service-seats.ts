/**
 * Counts the connections of each user over all gateways. Each user is counted by one gateway, its owner,
 * which every gateway finds from the list of gateways by a hash. A gateway asks the owner when a client
 * connects, and never when it delivers a message. Uses no NATS and no clock.
 */

import { ownersOf } from "./hash.ts";
import { EXPIRE_MS, Members } from "./members.ts";
import type { SeatMail, SeatMessage } from "./messages.ts";
import { type ClaimResult, OwnSeats } from "./own-seats.ts";
import { SeatOwner, type UserLimit } from "./seat-owner.ts";

export interface ServiceSeatsOptions {
  /** Id of this gateway; another one after each start. */
  id: string;
  limit: UserLimit;
  /** Sends to one gateway, or to all including this one when `to` is undefined. May lose messages. */
  send: (to: string | undefined, message: SeatMessage) => void;
  clients: {
    /** Resolves when each of these clients has answered, or has lost its seat. */
    check(seats: readonly number[]): Promise<void>;
    /** Closes the client: another connection of its user took the seat. */
    replace(seat: number): void;
  };
  /** ms since 1970 */
  wallClock: () => number;
  onResult: (result: ClaimResult) => void;
  /** Called when `shared` has changed. */
  onShared: (shared: boolean) => void;
}

/** Every gateway says this often that it is there. */
export const HERE_MS = 2000;
/** How often gateways compare their seats with their owners'. A lost message has no effect for longer. */
export const DIGEST_MS = 10_000;

export class ServiceSeats {
  readonly #options: ServiceSeatsOptions;
  readonly #members = new Members();
  readonly #owner: SeatOwner;
  readonly #own: OwnSeats;
  /** By shard. Undefined when gateways have joined or ended since. */
  #owners: string[] | undefined;
  #left = false;
  #shared = false;
  /** Time since this gateway has received its own `here`, ms. */
  #silentMs = 0;
  #hereInMs = 0;
  #digestInMs = DIGEST_MS;
  /** Messages of this gateway to itself. */
  readonly #queue: SeatMessage[] = [];
  #draining = false;

  constructor(options: ServiceSeatsOptions) {
    this.#options = options;
    const send = (to: string, message: SeatMessage) => this.#send(to, message);
    this.#owner = new SeatOwner({ limit: options.limit, send });
    this.#own = new OwnSeats({
      send,
      ownerOf: (shard) => this.#ownerOf(shard),
      isShared: () => this.#shared,
      wallClock: options.wallClock,
      onResult: options.onResult,
    });
  }

  /** True while connections are counted with the other gateways. */
  get shared(): boolean {
    return this.#shared;
  }
  /** Gateways that count together, with this one. */
  get gateways(): string[] {
    return [...this.#members.all(), this.#options.id].sort();
  }
  /** Seats of a user that this gateway counts, oldest first; for tests. */
  booked(user: string): readonly { gateway: string; seat: number }[] {
    return this.#owner.book.of(user);
  }

  // ——— clients of this gateway ———

  /**
   * Takes a seat for a user. Resolves with undefined, or with the number of the user's connections when there
   * are too many.
   */
  async claim(seat: number, user: string): Promise<number | undefined> {
    if (this.#left) return undefined;
    const answer = this.#own.claim(seat, user);
    this.#deliverOwn();
    return answer;
  }

  /** Does nothing when the seat is free already. */
  free(seat: number): void {
    if (this.#left) return;
    this.#own.free(seat);
    this.#deliverOwn();
  }

  /** Frees all seats at once, because the clients of this gateway will connect to others. */
  leave(): void {
    if (this.#left) return;
    this.#own.becomeAlone();
    this.#options.send(undefined, ["bye"]);
    this.#left = true;
  }

  // ——— other gateways ———

  receive({ from, messages }: SeatMail): void {
    if (this.#left) return;
    if (from === this.#options.id) return this.#onOwn();
    if (this.#members.hasLeft(from)) return;
    if (messages.some(([type]) => type === "bye")) return this.#onBye(from);
    if (this.#members.heard(from)) {
      this.#owners = undefined;
      this.#send(from, ["here"]);
      // The gateway may have been taken for ended, and its seats for free.
      this.#send(from, ["resend"]);
    }
    this.#own.heard(from);
    for (const message of messages) this.#handle(from, message);
    this.#deliverOwn();
  }

  /** This gateway has received its own message, so others receive its messages, too. */
  #onOwn(): void {
    this.#silentMs = 0;
    if (this.#shared) return;
    this.#shared = true;
    this.#own.resend(this.gateways);
    // What the others have sent meanwhile is lost, also when they were back earlier than this gateway.
    for (const id of this.#members.all()) this.#send(id, ["resend"]);
    this.#deliverOwn();
    this.#options.onShared(true);
  }

  #onBye(from: string): void {
    this.#members.left(from);
    this.#owners = undefined;
    this.#owner.ended(from);
    this.#deliverOwn();
  }

  /** The connection to the other gateways is lost: until it is back, this gateway decides alone. */
  disconnected(): void {
    if (!this.#shared) return;
    this.#shared = false;
    this.#own.becomeAlone();
    this.#deliverOwn();
    this.#options.onShared(false);
  }

  /** Says at once that this gateway is there. */
  connected(): void {
    this.#hereInMs = 0;
    this.pass(0);
  }

  /** Lets time pass. Called several times a second. */
  pass(ms: number): void {
    if (this.#left) return;
    this.#silentMs += ms;
    if (this.#silentMs > EXPIRE_MS) this.disconnected();
    for (const id of this.#members.pass(ms)) {
      this.#owners = undefined;
      this.#owner.ended(id);
    }
    if (this.#owners === undefined) this.#findOwners();
    this.#owner.pass(ms);
    this.#own.pass(ms);
    this.#hereInMs -= ms;
    if (this.#hereInMs <= 0) {
      this.#hereInMs = HERE_MS;
      this.#options.send(undefined, ["here"]);
    }
    this.#digestInMs -= ms;
    if (this.#digestInMs <= 0) {
      this.#digestInMs = DIGEST_MS;
      this.#own.sendDigests(this.#members.all());
    }
    this.#deliverOwn();
  }

  #ownerOf(shard: number): string {
    return (this.#owners ?? this.#findOwners())[shard] as string;
  }

  #findOwners(): string[] {
    const owners = ownersOf(this.gateways);
    this.#owners = owners;
    this.#own.moveToOwners();
    return owners;
  }

  #send(to: string, message: SeatMessage): void {
    if (to === this.#options.id) this.#queue.push(message);
    else if (this.#members.has(to)) this.#options.send(to, message);
  }

  /** Handles the messages of this gateway to itself, one after the other, until there are no more. */
  #deliverOwn(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      this.#handle(this.#options.id, next);
    this.#draining = false;
  }

  #handle(from: string, message: SeatMessage): void {
    const owner = this.#owner;
    const own = this.#own;
    switch (message[0]) {
      case "claim":
        return owner.claim(from, [message[1], message[2], message[3]]);
      case "hold":
        return owner.hold(from, message[1]);
      case "free":
        return owner.free(from, message[1]);
      case "reset":
        return owner.book.drop(from);
      case "digest":
        return owner.digest(from, message[1], message[2]);
      case "checked":
        return owner.checked(from, message[1]);
      case "resend":
        return own.resend([from]);
      case "granted":
        return own.granted(from, message[1]);
      case "waiting":
        return own.waiting(from, message[1]);
      case "refused":
        return own.refused(from, message[1], message[2]);
      case "check":
        return void this.#check(from, message[1], message[2]);
      case "close":
        for (const seat of message[1]) if (own.has(seat)) this.#options.clients.replace(seat);
    }
  }

  async #check(from: string, id: number, seats: readonly number[]): Promise<void> {
    await this.#options.clients.check(seats.filter((seat) => this.#own.has(seat)));
    this.#send(from, ["checked", id]);
    this.#deliverOwn();
  }
}
