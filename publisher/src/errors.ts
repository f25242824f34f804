/** What a publisher throws or rejects with. Each has a stable `code` and says what was wrong, where, and what to do. */

/** Base of all errors of this package. */
export class PublisherError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Code `invalid_options`: the publisher was not started. `problems` names every wrong option. */
export class InvalidOptionsError extends PublisherError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super("invalid_options", `wrong options for the publisher: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** Code `invalid_event`: the event was not accepted and can never be. `problems` names every wrong field. */
export class InvalidEventError extends PublisherError {
  readonly problems: readonly string[];

  constructor(where: string, problems: readonly string[]) {
    super("invalid_event", `event ${where} was not accepted: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** How full the queue is, and its bounds. */
export interface QueueLevel {
  queuedEvents: number;
  queuedBytes: number;
  maxQueueEvents: number;
  maxQueueBytes: number;
}

/** Code `queue_full`: this event was not accepted; those accepted before it are kept and will be stored. */
export class QueueFullError extends PublisherError implements QueueLevel {
  readonly queuedEvents: number;
  readonly queuedBytes: number;
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;

  constructor(where: string, level: QueueLevel, why: string) {
    super(
      "queue_full",
      `event ${where} was not accepted: the queue holds ${level.queuedEvents} of ${level.maxQueueEvents} events, ` +
        `${level.queuedBytes} of ${level.maxQueueBytes} bytes; ${why}. Publish it again after flush(), ` +
        "publish more slowly, or raise maxQueueEvents or maxQueueBytes",
    );
    this.queuedEvents = level.queuedEvents;
    this.queuedBytes = level.queuedBytes;
    this.maxQueueEvents = level.maxQueueEvents;
    this.maxQueueBytes = level.maxQueueBytes;
  }
}

/** Code `refused`: NATS will not take this event however often it is sent (too large, no permission). It is not stored. */
export class EventRefusedError extends PublisherError {
  constructor(where: string, reason: string) {
    super("refused", `NATS refused event ${where}: ${reason}`);
  }
}

/** Code `closed`: published after `close()`, or given up by it when its time had passed. */
export class PublisherClosedError extends PublisherError {
  constructor(where: string, what: string) {
    super("closed", `event ${where} ${what}`);
  }
}

/** Code `not_stored`: `close()` ran out of time. The promise of each event concerned has been rejected, too. */
export class NotStoredError extends PublisherError {
  /** Accepted events without an acknowledgement. */
  readonly notStored: number;
  /** Those of them that had been sent: NATS may have stored them all the same. */
  readonly unanswered: number;

  constructor(notStored: number, unanswered: number, timeoutMs: number, why: string) {
    super(
      "not_stored",
      `close() gave up after ${timeoutMs} ms: ${notStored} accepted events are not known to be stored ` +
        `(${unanswered} of them were sent without an answer); ${why}. ` +
        "Publish them again with the same ids, or give close() a longer timeoutMs",
    );
    this.notStored = notStored;
    this.unanswered = unanswered;
  }
}
