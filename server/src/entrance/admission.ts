/**
 * Who may connect: the limits of the whole VM, counted in one place even with several worker processes. Knows no socket
 * and no clock.
 */

export interface AdmissionLimits {
  maxConnections: number;
  /** 0: no limit. */
  maxPerUser: number;
  /** New connections a second from one address; 0: no limit. */
  maxPerIpPerSecond: number;
}

/** Reasons as they stand in `ws_connections_rejected_total{reason}` and in the body of the refusal. */
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
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface Refusal {
  status: 401 | 403 | 404 | 429 | 503;
  reason: RefusalReason;
  message: string;
  /** Seconds, for the header. */
  retryAfter?: number;
}

/** Who asks for a connection. */
export interface Applicant {
  /** Claim `sub`; undefined when nobody is authenticated. */
  user: string | undefined;
  ip: string;
}

/** Why no new connection is wanted at all. */
export type Closure = "draining" | "connections" | "cpu" | "memory";

const CLOSURES: Record<Closure, { message: string; retryAfter: number }> = {
  draining: { message: "this gateway is being replaced", retryAfter: 5 },
  connections: { message: "this gateway is full", retryAfter: 10 },
  cpu: { message: "this gateway is busy", retryAfter: 10 },
  memory: { message: "this gateway is short of memory", retryAfter: 10 },
};

export function closed(closure: Closure): Refusal {
  return { status: 503, reason: closure, ...CLOSURES[closure] };
}

/** A full gateway wants clients again when this share of its seats is taken, not at the first free one. */
const REOPEN_RATIO = 0.95;

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #perUser = new Map<string, number>();
  readonly #perIp = new Map<string, number>();
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

  /** Why new connections are not wanted, or undefined while they are. `connections` has hysteresis. */
  get closure(): Closure | undefined {
    const { maxConnections } = this.#limits;
    if (this.#connections >= maxConnections) this.#full = true;
    else if (this.#connections <= Math.min(maxConnections - 1, maxConnections * REOPEN_RATIO))
      this.#full = false;
    for (const closure of ["draining", "memory", "cpu"] as const)
      if (this.#closures.has(closure)) return closure;
    return this.#full ? "connections" : undefined;
  }

  setClosure(closure: Exclude<Closure, "connections">, on: boolean): void {
    if (on) this.#closures.add(closure);
    else this.#closures.delete(closure);
  }

  /** Takes a seat, to be given back with `free`, or says why there is none. `second`: the clock's whole seconds. */
  take({ user, ip }: Applicant, second: number): Refusal | undefined {
    const { maxConnections, maxPerUser, maxPerIpPerSecond } = this.#limits;
    // While a full gateway only waits to be left in peace (hysteresis), a client that got through may still have a free seat.
    const { closure } = this;
    if (closure !== undefined && (closure !== "connections" || this.#connections >= maxConnections))
      return closed(closure);
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
    if (user !== undefined && maxPerUser > 0) {
      const ofUser = this.#perUser.get(user) ?? 0;
      if (ofUser >= maxPerUser) {
        const message = `this user has ${ofUser} connections already, the limit is ${maxPerUser}`;
        return { status: 429, reason: "per_user", message, retryAfter: 5 };
      }
      this.#perUser.set(user, ofUser + 1);
    }
    this.#connections++;
    return undefined;
  }

  free({ user }: Pick<Applicant, "user">): void {
    this.#connections--;
    if (user === undefined || this.#limits.maxPerUser === 0) return;
    const ofUser = (this.#perUser.get(user) ?? 1) - 1;
    if (ofUser > 0) this.#perUser.set(user, ofUser);
    else this.#perUser.delete(user);
  }
}
