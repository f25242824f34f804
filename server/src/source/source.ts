/** The interface between a source of messages (JetStream, poll, simulator) and the gateway. */

/** One message from the source, not checked yet. */
export interface RawMessage {
  /** NATS subject, `odin.token.BTC.trade`. */
  subject: string;
  /** Position in the stream: 1 or more, rising. */
  offset: number;
  /** Publish time, milliseconds since 1970. */
  ts: number;
  /**
   * The publisher's JSON, byte for byte. May be a view into a larger buffer, so copy the bytes to keep them.
   */
  body: Uint8Array;
  /** Header `Odin-Type`. */
  type?: string | undefined;
  /** Header `Odin-Priority`. */
  priority?: string | undefined;
}

/** A dictionary of the compact encoding, as all gateways of a stream share it. */
export interface DictionaryBytes {
  event: string;
  /** Texts that the event's messages resemble: see PROTOCOL.md. */
  bytes: Uint8Array;
}

/** What a gateway outside of the home region knows about the way from there to its region. */
export interface RegionStatus {
  /** JetStream domain of the home region. */
  home: string;
  /** False: the home region does not answer, and the region serves what it has. */
  connected: boolean;
  /** Messages that the home region had at its last answer, and this region had not. */
  lagMessages: number;
  /** The region has everything that the home region had at this time, on the clock of performance.now(). */
  inStepAt: number;
}

export interface SourceStatus {
  /** True while the source can be reached. */
  connected: boolean;
  /** True when the source has refused the gateway's credentials. */
  refused: boolean;
  /**
   * True once all messages that the stream held at the start have been read: the history can answer `since`.
   */
  warm: boolean;
  /** Messages in the stream that were not read yet. */
  lag: number;
  /** Undefined in the home region. */
  region?: RegionStatus | undefined;
}

/** Receives the messages of a source. */
export interface Intake {
  /**
   * A stream begins, or has been replaced by another one: earlier offsets are no longer valid. Called before
   * the first message, whose offset will be above `offset`.
   *
   * @param sameUpTo the stream has the same messages as the one before up to this offset; default 0: none
   */
  begin(epoch: string, offset: number, sameUpTo?: number): void;
  message(raw: RawMessage): void;
  /**
   * The newest messages of some channels, in ascending order of their offsets. They may have left the stream,
   * and are kept only for clients that ask for last values.
   */
  lastValues(raws: readonly RawMessage[]): void;
  /** Messages up to `offset` left the stream before they could be read. */
  lose(offset: number): void;
  /**
   * Returns undefined when the next message is wanted at once; otherwise a promise that resolves when it is
   * wanted.
   */
  ready(): Promise<void> | undefined;
  status(change: Partial<SourceStatus>): void;
}

export interface Source {
  /** Reads until `signal` aborts; recovers from every failure that is not permanent. */
  (intake: Intake, signal: AbortSignal): Promise<void>;
  /**
   * Resolves with the offset of the last message that the stream has now; undefined when that cannot be found
   * out. Missing where no other gateway reads the same stream.
   */
  end?: () => Promise<number | undefined>;
}
