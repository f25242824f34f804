/** The tokens of the simulation: not signed, and valid for some seconds. */

import { AuthError, type Identity } from "../../server/src/entrance/auth.ts";

export const NO_TOKEN = "no token is issued now";
/** Short, so that each client renews its token several times in a schedule. */
const LIFE_SECONDS = 8;

export class SimTokens {
  #awayUntil = 0;

  /** No token is issued for this time, ms. Tokens that were issued stay valid. */
  fail(ms: number): void {
    this.#awayUntil = Math.max(this.#awayUntil, Date.now() + ms);
  }

  /** @throws Error while no token is issued */
  async issue(user: string): Promise<string> {
    if (Date.now() < this.#awayUntil) throw new Error(NO_TOKEN);
    const claims = { sub: user, exp: Math.floor(Date.now() / 1000) + LIFE_SECONDS };
    return `simulated.${btoa(JSON.stringify(claims))}.`;
  }

  /** What a gateway does with the token of a client. */
  readonly verify = async (token: string): Promise<Identity> => {
    const [, claims = ""] = token.split(".");
    const { sub, exp } = JSON.parse(atob(claims)) as { sub: string; exp: number };
    if (Date.now() >= exp * 1000) throw new AuthError("the token has expired");
    return { user: sub, expiresAt: exp, channels: undefined };
  };
}
