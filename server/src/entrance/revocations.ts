/** The revoked tokens that a process knows. Uses no clock of its own. */

import type { Revocation } from "@odin-ws/protocol/revocation";
import type { Identity } from "./auth.ts";

/** The claims that decide whether a token is revoked. */
export type Bearer = Pick<Identity, "user" | "tokenId" | "issuedAt">;

export class Revocations {
  readonly #byToken = new Map<string, Revocation>();
  readonly #byUser = new Map<string, Revocation>();

  get size(): number {
    return this.#byToken.size + this.#byUser.size;
  }

  /** Adds revocations, each of which replaces an earlier one of the same user or token. */
  add(revocations: readonly Revocation[]): void {
    for (const revocation of revocations) {
      const { revoked } = revocation;
      if ("jti" in revoked) this.#byToken.set(revoked.jti, revocation);
      else this.#byUser.set(revoked.user, revocation);
    }
  }

  /** Returns whether the token with these claims is revoked. `now`: seconds since 1970. */
  includes({ user, tokenId, issuedAt = 0 }: Bearer, now: number): boolean {
    if (this.size === 0) return false;
    const found = [this.#byUser.get(user), tokenId === undefined ? undefined : this.#byToken.get(tokenId)];
    return found.some((revocation) => {
      // The id of a token is unique, so the time at which the token was issued does not matter.
      return (
        revocation !== undefined &&
        now < revocation.until &&
        ("jti" in revocation.revoked || issuedAt <= revocation.issuedUpTo)
      );
    });
  }

  /** Forgets the revocations whose tokens have expired by now. `now`: seconds since 1970. */
  sweep(now: number): void {
    for (const known of [this.#byToken, this.#byUser])
      for (const [id, { until }] of known) if (now >= until) known.delete(id);
  }

  all(): Revocation[] {
    return [...this.#byToken.values(), ...this.#byUser.values()];
  }
}
