/**
 * The errors of a publisher. Each has a stable `code`; its message says what was wrong, where, and what to
 * do.
 */

/** Base of all errors of this package. */
export class PublisherError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Code `invalid_options`: the publisher was not started. `problems` has one text for each wrong option. */
export class InvalidOptionsError extends PublisherError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("invalid_options", `wrong options for the publisher: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/**
 * Code `invalid_event`: the event was not accepted and must be corrected. `problems` has one text for each
 * wrong field.
 */
export class InvalidEventError extends PublisherError {
  readonly problems: readonly string[];

  constructor(where: string, problems: readonly string[]) {
    super("invalid_event", `event ${where} was not accepted: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** What the queue holds, and its limits. */
export interface QueueLevel {
  queuedEvents: number;
  queuedBytes: number;
  maxQueueEvents: number;
  maxQueueBytes: number;
}

/**
 * Code `queue_full`: this event was not accepted. Events that were accepted before are kept and will be
 * stored.
 */
export class QueueFullError extends PublisherError implements QueueLevel {
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;

  constructor(where: string, level: QueueLevel, why: string) {
    super(
      "queue_full",
      `event ${where} was not accepted: the queue holds ${level.queuedEvents} of ${level.maxQueueEvents} events, ` +
        `${level.queuedBytes} of ${level.maxQueueBytes} bytes; ${why}. Publish the event again after flush(), ` +
        "publish more slowly, or raise maxQueueEvents or maxQueueBytes",
    );
    this.queuedEvents = level.queuedEvents;
    this.queuedBytes = level.queuedBytes;
    this.maxQueueEvents = level.maxQueueEvents;
    this.maxQueueBytes = level.maxQueueBytes;
  }
}

/**
 * Code `refused`: NATS does not store this event, and would not when the event is sent again (too large, no
 * permission).
 */
export class EventRefusedError extends PublisherError {
  constructor(where: string, reason: string) {
    super("refused", `NATS refused event ${where}: ${reason}`);
  }
}

/**
 * Code `closed`: the event was published after `close()`, or `close()` gave the event up when its time was
 * over.
 */
export class PublisherClosedError extends PublisherError {
  constructor(where: string, what: string) {
    super("closed", `event ${where} ${what}`);
  }
}

/**
 * Code `not_stored`: the time of `close()` was over. The promise of each event concerned was rejected too.
 */
export class NotStoredError extends PublisherError {
  /** Accepted events that have no acknowledgement. */
  readonly notStored: number;
  /** Part of `notStored`: events that were sent. NATS may have stored them. */
  readonly unanswered: number;

  constructor(notStored: number, unanswered: number, timeoutMs: number, why: string) {
    super(
      "not_stored",
      `close() gave up after ${timeoutMs} ms: ${notStored} accepted events are not known to be stored ` +
        `(${unanswered} of these events were sent and not acknowledged); ${why}. ` +
        "Publish these events again with the same ids, or give close() a longer timeoutMs",
    );
    this.notStored = notStored;
    this.unanswered = unanswered;
  }
}
