/**
 * Limits how much of the history one user can ask for. Each answer is sent as a whole and charged afterwards,
 * so the next request of this user may have to wait until the debt is paid. Uses no clock.
 */

/** A user may be sent this much before requests have to wait. */
const BURST_MESSAGES = 50_000;
const BURST_BYTES = 33_554_432; // 32 MiB
/** Above the rate at which a gateway delivers by default (1000 messages/s). */
const MESSAGES_PER_SECOND = 3000;
const BYTES_PER_SECOND = 2_097_152; // 2 MiB
/** A request waits at most this long, because clients take a connection that is silent for 10 s for lost. */
const MAX_WAIT_MS = 5000;

/** What one user has been sent from the history and has not paid back yet. Negative values do not occur. */
interface Account {
  messages: number;
  bytes: number;
  at: number;
}

export class ReplayBudget {
  /** Users who have used a part of their budget. */
  readonly #accounts = new Map<string, Account>();

  get size(): number {
    return this.#accounts.size;
  }

  /** Counts an answer. `now`: milliseconds of any clock, the same one as in other calls. */
  charge(user: string, messages: number, bytes: number, now: number): void {
    const account = this.#accounts.get(user) ?? { messages: 0, bytes: 0, at: now };
    settle(account, now);
    account.messages = Math.min(account.messages + messages, limit(BURST_MESSAGES, MESSAGES_PER_SECOND));
    account.bytes = Math.min(account.bytes + bytes, limit(BURST_BYTES, BYTES_PER_SECOND));
    this.#accounts.set(user, account);
  }

  /** Returns the milliseconds until the user may ask again. */
  waitMs(user: string, now: number): number {
    const account = this.#accounts.get(user);
    if (account === undefined) return 0;
    settle(account, now);
    const wait = Math.max(
      (account.messages - BURST_MESSAGES) / MESSAGES_PER_SECOND,
      (account.bytes - BURST_BYTES) / BYTES_PER_SECOND,
    );
    return Math.max(0, Math.ceil(wait * 1000));
  }

  /** Forgets the users who have paid everything back. */
  sweep(now: number): void {
    for (const [user, account] of this.#accounts) {
      settle(account, now);
      if (account.messages === 0 && account.bytes === 0) this.#accounts.delete(user);
    }
  }
}

const limit = (burst: number, perSecond: number): number => burst + (perSecond * MAX_WAIT_MS) / 1000;

function settle(account: Account, now: number): void {
  const seconds = Math.max(0, now - account.at) / 1000;
  account.messages = Math.max(0, account.messages - seconds * MESSAGES_PER_SECOND);
  account.bytes = Math.max(0, account.bytes - seconds * BYTES_PER_SECOND);
  account.at = now;
}
