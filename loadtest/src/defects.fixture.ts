/** Defects of the fake gateway. Without another description, a defect affects one message to one client. */
export type Defect =
  /** No defect. */
  | "nothing"
  /** Leaves the message out, without a gap in the numbers. */
  | "drop"
  /** Uses a number for the message but does not send it. */
  | "drop-with-gap"
  /** Leaves the message out for all clients. */
  | "drop-for-all"
  /**
   * From some moment on, sends a message only when the channel has the next message, so the last message
   * never arrives.
   */
  | "drop-last"
  /** Sends the message twice. */
  | "duplicate"
  /** Sends the message after the next one of its channel. */
  | "reorder"
  /** Sends the message after the audit that misses it. */
  | "late-reorder"
  /** Changes the content. */
  | "alter"
  /** Sends the message under the name of another channel. */
  | "misdirect"
  /** Forgets the subscription. */
  | "forget"
  /** Sends an additional message of a channel without a subscription. */
  | "unasked"
  /** Closes the connection. */
  | "close"
  /** Sends every message with a timestamp that is LATE_MS too old. */
  | "late"
  /** From some moment on, sends nothing to any client for STALL_MS. */
  | "stall"
  /** Loses the stream forever, and answers as if there were no more messages. */
  | "cut-off"
  /** From some moment on, answers no heartbeats. */
  | "mute"
  /** Answers every resume as recovered without messages. */
  | "lie-on-resume"
  /** Sends the message before the newest one of each channel as its last value. */
  | "stale-last"
  /** Keeps no last values. */
  | "no-last"
  /** Sends all messages to clients that asked for a rate. */
  | "ignore-rate"
  /** Of the messages that wait for their turn, the oldest one comes. */
  | "oldest-wins"
  /** Counts every message twice in the metrics. */
  | "miscount";
