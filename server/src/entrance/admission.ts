/**
 * Decides who may connect. The limits hold for the whole VM and are counted in one place, even with several
 * worker processes. Uses no socket and no clock.
 */

export interface AdmissionLimits {
  maxConnections: number;
  /** Connections of one user; 0: no limit. */
  maxPerUser: number;
  /** New connections a second from one address; 0: no limit. */
  maxPerIpPerSecond: number;
}

/** Values of the label in `ws_connections_rejected_total{reason}` and of `error` in the body of a refusal. */
export const REFUSAL_REASONS = [
  "path",
  "handshake",
  "origin",
  "token",
  "keys",
  "per_ip",
  "per_user",
  "draining",
  "connections",
  "cpu",
  "memory",
  "sockets",
  "handshakes",
  "history",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface Refusal {
  status: 401 | 403 | 404 | 429 | 503;
  reason: RefusalReason;
  message: string;
  /** Value of the header Retry-After, seconds. */
  retryAfter?: number;
}

/** A client that asks for a connection. */
export interface Applicant {
  /** Claim `sub`; undefined without authentication. */
  user: string | undefined;
  ip: string;
}

/** Seats of the whole VM; each client connection takes one. Another process may count them. */
export interface Seats {
  /** Takes a seat. Resolves with its number in this process, or with the reason for the refusal. */
  take(applicant: Applicant): Promise<number | Refusal>;
  /** Gives a seat back. Does nothing when the seat is free already. */
  free(seat: number): void;
}

/** Reason for which all new connections are refused. */
export type Closure = "draining" | "connections" | "cpu" | "memory" | "history";

const CLOSURES: Record<Closure, { message: string; retryAfter: number }> = {
  draining: { message: "this gateway is being replaced", retryAfter: 5 },
  connections: { message: "this gateway is full", retryAfter: 10 },
  cpu: { message: "this gateway is busy", retryAfter: 10 },
  memory: { message: "this gateway is short of memory", retryAfter: 10 },
  history: { message: "this gateway is still reading the stream", retryAfter: 2 },
};

/** Returns the refusal for a closure. */
export function closed(closure: Closure): Refusal {
  return { status: 503, reason: closure, ...CLOSURES[closure] };
}

/** Returns the refusal of a user who has this many connections. */
export function overUserLimit(connections: number, limit: number): Refusal {
  const message = `this user has ${connections} connections already, the limit is ${limit}`;
  return { status: 429, reason: "per_user", message, retryAfter: 5 };
}

/** A full gateway is open again only when at most this share of its seats is taken. */
const REOPEN_RATIO = 0.95;

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #perUser = new Map<string, number>();
  readonly #perIp = new Map<string, number>();
  /** Second in which `#perIp` was counted. */
  #window = 0;
  #connections = 0;
  #full = false;
  readonly #closures = new Set<Closure>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#connections;
  }

  /**
   * Reason for which new connections are not wanted; undefined while they are wanted. `connections` has
   * hysteresis.
   */
  get closure(): Closure | undefined {
    const { maxConnections } = this.#limits;
    if (this.#connections >= maxConnections) this.#full = true;
    else if (this.#connections <= Math.min(maxConnections - 1, maxConnections * REOPEN_RATIO))
      this.#full = false;
    for (const closure of ["draining", "memory", "cpu", "history"] as const)
      if (this.#closures.has(closure)) return closure;
    return this.#full ? "connections" : undefined;
  }

  /** Starts or ends a closure. The closure `connections` follows from the seats. */
  setClosure(closure: Exclude<Closure, "connections">, on: boolean): void {
    if (on) this.#closures.add(closure);
    else this.#closures.delete(closure);
  }

  /**
   * Takes a seat, which `free` gives back, or returns the reason for the refusal. `second`: of a clock that
   * is never set back.
   */
  take({ user, ip }: Applicant, second: number): Refusal | undefined {
    return this.#refusedByClosure() ?? this.#refusedByIp(ip, second) ?? this.#takeAsUser(user);
  }

  /** Like `take`, for a client that `take` has just refused because of its user. The address counts once. */
  takeAgain({ user }: Pick<Applicant, "user">): Refusal | undefined {
    return this.#refusedByClosure() ?? this.#takeAsUser(user);
  }

  #refusedByClosure(): Refusal | undefined {
    // While the gateway counts as full only because of the hysteresis, a client that reaches it still gets a
    // free seat.
    const { closure } = this;
    const free = closure === "connections" && this.#connections < this.#limits.maxConnections;
    return closure === undefined || free ? undefined : closed(closure);
  }

  #refusedByIp(ip: string, second: number): Refusal | undefined {
    const { maxPerIpPerSecond } = this.#limits;
    if (maxPerIpPerSecond > 0) {
      if (second !== this.#window) {
        this.#perIp.clear();
        this.#window = second;
      }
      const fromIp = (this.#perIp.get(ip) ?? 0) + 1;
      this.#perIp.set(ip, fromIp);
      if (fromIp > maxPerIpPerSecond) {
        const message = `more than ${maxPerIpPerSecond} new connections a second from one address`;
        return { status: 429, reason: "per_ip", message, retryAfter: 1 };
      }
    }
    return undefined;
  }

  #takeAsUser(user: string | undefined): Refusal | undefined {
    const { maxPerUser } = this.#limits;
    if (user !== undefined && maxPerUser > 0) {
      const ofUser = this.#perUser.get(user) ?? 0;
      if (ofUser >= maxPerUser) return overUserLimit(ofUser, maxPerUser);
      this.#perUser.set(user, ofUser + 1);
    }
    this.#connections++;
    return undefined;
  }

  /** Gives a seat back. */
  free({ user }: Pick<Applicant, "user">): void {
    this.#connections--;
    if (user === undefined || this.#limits.maxPerUser === 0) return;
    const ofUser = (this.#perUser.get(user) ?? 1) - 1;
    if (ofUser > 0) this.#perUser.set(user, ofUser);
    else this.#perUser.delete(user);
  }
}
