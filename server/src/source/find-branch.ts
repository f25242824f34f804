/** Finds the point at which a stream that went back differs from the messages that were read. */

import type { ReadMessages, StoredMessage } from "./read-messages.ts";

/** The stream's message at this sequence, or the first one behind it; undefined at the stream's end. */
export type FirstFrom = (seq: number) => Promise<StoredMessage | undefined>;

/** Stands for the last common message where the stream has no message that was read. */
const NO_MESSAGE: StoredMessage = { seq: 0, storedAt: 0 };

export interface BranchQuestion {
  /** Messages that were read. */
  read: ReadMessages;
  /** Everything up to this sequence was read, except for holes: messages that the stream had removed. */
  cursor: number;
  /** Sequences of the stream's first and last message. */
  first: number;
  last: number;
  firstFrom: FirstFrom;
}

/**
 * Compares the stream with the messages that were read. Returns undefined when the stream continues these
 * messages; otherwise the last message that the stream still has of them.
 *
 * A stream may have holes at any place (messages that were purged or replaced), so a message that is missing
 * proves nothing. A message that is there and was not read does.
 */
export async function findBranch(question: BranchQuestion): Promise<StoredMessage | undefined> {
  const { read, cursor, first, last, firstFrom } = question;
  const wentBack = last < cursor;
  if (read.firstSeq === 0) return wentBack ? NO_MESSAGE : undefined;
  /** Asks for the first message from `seq` to the cursor. */
  const inRange = async (seq: number): Promise<StoredMessage | undefined> => {
    const found = seq <= cursor ? await firstFrom(seq) : undefined;
    return found !== undefined && found.seq <= cursor ? found : undefined;
  };

  let common: StoredMessage | undefined;
  let low = Math.max(first, read.firstSeq);
  let high = cursor;
  // Nearly always the message at the cursor is the one that was read. Otherwise a binary search finds the
  // last sequence from which the stream continues with a message that was read.
  for (let probe = high; low <= high; probe = Math.floor((low + high) / 2)) {
    const found = await inRange(probe);
    if (found !== undefined && read.has(found)) {
      common = found;
      low = found.seq + 1;
    } else high = probe - 1;
  }
  const next = await inRange(common === undefined ? Math.max(first, read.firstSeq) : common.seq + 1);
  return next === undefined && !wentBack ? undefined : (common ?? NO_MESSAGE);
}
