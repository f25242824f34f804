/** Messages between the bench and its load processes. */

export type ClientName = "odin" | "socketio";

/** Clients of one load process. */
export interface Opening {
  client: ClientName;
  /** Number of the first client, and the number of clients. */
  first: number;
  count: number;
  channels: number;
  nats: string;
  /** Clients that may connect at the same time. */
  inFlight: number;
  timeoutMs: number;
  /** Clients of odin-ws may receive over HTTP. */
  fallback: boolean;
}

export interface Jitter {
  /** Each client is cut once in this time, at a moment of its own, ms. */
  everyMs: number;
  /** The line is away for this time, ms. */
  awayMs: number;
  forMs: number;
}

export interface Commands {
  /** Connects the clients. Answers with the reasons of those that could not connect in time. */
  open: { ask: Opening; answer: { open: number } };
  /** New connections are spread over the servers at these ports. */
  route: { ask: { ports: readonly number[] }; answer: null };
  /** From now on, an outage of a client begins when its connection ends. */
  watchEnds: { ask: null; answer: null };
  /** An outage of all clients at this port begins now. */
  strike: { ask: { port: number }; answer: { struck: number } };
  jitter: { ask: Jitter; answer: null };
  /** Waits until no client has an outage, at most for this time. */
  settle: { ask: { timeoutMs: number }; answer: null };
  /** `published`: the number of messages on each channel. */
  finish: { ask: { published: readonly number[] }; answer: Counts };
}

export type CommandName = keyof Commands;
export type Command = { [Name in CommandName]: { kind: Name; ask: Commands[Name]["ask"] } }[CommandName];
export type Answer = { result: unknown } | { error: string };

/** What the clients of one load process received. */
export interface Counts {
  clients: number;
  /** Messages that were published to the clients' channels while they wanted them. */
  due: number;
  /** Messages that came behind an earlier message of their channel, each once. */
  inOrder: number;
  /** Messages that came twice, or behind a later message of their channel. */
  wrong: number;
  /** Clients that lack a message. */
  lossy: number;
  /** Length of each outage that has ended, ms: until the client had everything that was published. */
  outagesMs: number[];
  /** Outages during which the client was cut again. Their lengths up to then are among the others. */
  overtaken: number;
  /** Clients that were not back at the end. */
  neverBack: number;
  /** Clients that have received over HTTP at some time. */
  overHttp: number;
  /** Clients that were back in each second, by seconds since 1970. */
  backPerSecond: Record<number, number>;
  /** Heartbeats that the clients have sent, and the time of all connections together, s. */
  heartbeats: number;
  connectedSeconds: number;
}
