/** What a source of messages (JetStream, poll, simulator) and the gateway know of each other. */

/** One message as it came from the source, not yet checked. */
export interface RawMessage {
  /** NATS subject, `odin.token.BTC.trade`. */
  subject: string;
  /** Place in the stream, from 1, rising. */
  offset: number;
  /** Publish time, milliseconds since 1970. */
  ts: number;
  /** The publisher's JSON, byte for byte. May be a view into a larger buffer: copy what is kept. */
  body: Uint8Array;
  /** Header `Odin-Type`. */
  type?: string | undefined;
  /** Header `Odin-Priority`. */
  priority?: string | undefined;
}

export interface SourceStatus {
  /** The source can be reached. */
  connected: boolean;
  /** The source turned down who we say we are. */
  refused: boolean;
  /** All that the stream held at the start has been read: the history can answer `since`. */
  warm: boolean;
  /** Messages in the stream that have not been read yet. */
  lag: number;
}

/** Where a source delivers to. */
export interface Intake {
  /**
   * A stream begins, or another one has taken its place: offsets that were read before are void.
   * Called before the first message. `offset` is the one before the first message that will come.
   */
  begin(epoch: string, offset: number): void;
  message(raw: RawMessage): void;
  /** Messages up to `offset` left the stream before they could be read. */
  lose(offset: number): void;
  /** Undefined when the next message is wanted at once, else a promise of the moment when it is. */
  ready(): Promise<void> | undefined;
  status(change: Partial<SourceStatus>): void;
}

/** Reads until `signal` aborts; recovers by itself from everything that may pass. */
export type Source = (intake: Intake, signal: AbortSignal) => Promise<void>;
