/** Messages between the command and its load processes. */

/** How many viewers connect, and how fast. */
export interface Opening {
  /** Number of the first new viewer, over all load processes. */
  first: number;
  count: number;
  /** Attempts a second of this process; 0: as fast as `inFlight` allows. */
  rate: number;
  /** Attempts that may be open at once in this process. */
  inFlight: number;
}

export interface Target {
  port: number;
  /** Addresses of the loopback from which this process connects in turn; each address has its own ports. */
  localAddresses: readonly string[];
  /** Viewers of all load processes together, and how many of them get each message. */
  viewers: number;
  audience: number;
}

export type Command =
  | { kind: "target"; target: Target }
  | { kind: "open"; opening: Opening }
  | { kind: "begin" }
  | { kind: "counts" }
  | { kind: "latencies" };

/** Counts of one load process. All but `subscribed` and `connecting` count from `begin` on. */
export interface Counts {
  /** Viewers that are subscribed now. */
  subscribed: number;
  /** Viewers that have an open attempt, or wait for their next one. */
  connecting: number;
  attempts: number;
  /** Connections that ended after they were subscribed. */
  ended: number;
  /** Attempts that failed, by reason: `503 handshakes`, `timeout`, `ECONNRESET`. */
  failures: Record<string, number>;
  /** Messages that arrived, and how many of them had the wrong `seq`. */
  deliveries: number;
  disorder: number;
  pings: number;
}

export interface Latencies {
  /** Publish to arrival of each message, µs. */
  deliveries: number[];
  /** From the first attempt, or from the end of the connection, to the subscription, ms. */
  waits: number[];
}

export interface Answers {
  target: null;
  /** The viewers connect in the background; see `counts`. */
  open: null;
  begin: null;
  counts: Counts;
  latencies: Latencies;
}

export type Answer = { id: number } & ({ result: unknown } | { error: string });
