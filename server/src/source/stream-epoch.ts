/**
 * The epoch of a stream: all gateways that read the same messages under the same sequences have the same
 * epoch, without asking each other. A mirror of the stream in another region has it in its metadata, with the
 * creation time of the stream, not of the copy.
 *
 * The first epoch follows from the stream's name and creation time. When the stream went back (a server lost
 * messages that it had acknowledged and gave their sequences away again), the next epoch follows from the
 * epoch before and from the last message that both have. It is written into the stream's metadata, for
 * gateways that start later.
 */

import { createHash } from "node:crypto";
import type { JetStreamManager, StreamInfo } from "@nats-io/jetstream";
import type { Log } from "../log.ts";
import type { StoredMessage } from "./read-messages.ts";

/**
 * Key in the stream's metadata. Value: the epoch, a space, and the creation time of the stream for which the
 * epoch holds; in a mirror, that of its origin. A stream that is created again with a copied configuration
 * so does not get a copied epoch.
 */
const METADATA_KEY = "odin-epoch";
const RETRY_MS = 60_000; // 1 min

function hash(...parts: (string | number)[]): string {
  return createHash("sha256").update(parts.join(" ")).digest("base64url").slice(0, 12);
}

/** Returns the metadata that name an epoch of the stream with this creation time. */
export const epochMetadata = (epoch: string, created: string) => ({ [METADATA_KEY]: `${epoch} ${created}` });

/**
 * Returns the epoch in the metadata, and the creation time of its stream; undefined for metadata without an
 * epoch.
 */
export function namedEpoch({
  metadata,
}: Pick<StreamInfo["config"], "metadata">): { epoch: string; created: string } | undefined {
  const [epoch = "", ...of] = (metadata?.[METADATA_KEY] ?? "").split(" ");
  return epoch === "" ? undefined : { epoch, created: of.join(" ") };
}

/** Returns the epoch that the stream itself names: the one in its metadata, otherwise its first epoch. */
export function epochOf({ config, created }: Pick<StreamInfo, "config" | "created">): string {
  const named = namedEpoch(config);
  // The space at the end is part of the formula: without it, all epochs would change with this release.
  return named?.created === created ? named.epoch : hash(config.name, created, "");
}

/** Returns the epoch of a stream that went back to `last`, the last message that it still has from before. */
export function nextEpoch(epoch: string, { seq, storedAt }: StoredMessage): string {
  return hash(epoch, seq, storedAt);
}

/** Writes the epoch of a stream that went back into the stream's metadata. */
export class EpochWriter {
  readonly #log: Log;
  /** Time of the last attempt, on the clock of performance.now(). */
  #triedAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Writes the epoch when the stream names another one. Repeats a failed attempt at most once a minute.
   * Resolves with true when the stream names this epoch now.
   */
  async write(manager: JetStreamManager, info: StreamInfo, epoch: string): Promise<boolean> {
    const now = performance.now();
    if (epochOf(info) === epoch) return true;
    if (now - this.#triedAt < RETRY_MS) return false;
    this.#triedAt = now;
    const { config, created } = info;
    const metadata = { ...config.metadata, ...epochMetadata(epoch, created) };
    try {
      await manager.streams.update(config.name, { metadata });
      this.#triedAt = Number.NEGATIVE_INFINITY;
      this.#log.info({ stream: config.name, epoch }, "wrote the new epoch into the metadata of the stream");
      return true;
    } catch (error) {
      this.#log.warn(
        { err: error, stream: config.name, epoch },
        "cannot write the new epoch into the metadata of the stream: gateways that start from now on do not know it",
      );
      return false;
    }
  }
}
