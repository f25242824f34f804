/** Serves the key of an issuer, and can be away. */

import { createServer } from "node:http";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";
import { type Issuer, newIssuer } from "../../harness/tokens.ts";
import { pause } from "../../harness/wait.ts";

export class KeyServer {
  readonly url: string;
  readonly #issuer: Issuer;
  #absences = 0;

  constructor(owner: Owner, port: number, issuer: Issuer) {
    this.url = `http://127.0.0.1:${port}/jwks.json`;
    this.#issuer = issuer;
    const server = createServer((request, response) => {
      if (this.#absences > 0) return request.socket.destroy();
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ keys: [issuer.jwk] }));
    });
    server.listen(port, "127.0.0.1");
    owner.after(() => {
      server.closeAllConnections();
      server.close();
    });
  }

  /** A token of this user, for this many seconds. */
  token(user: string, seconds: number): Promise<string> {
    return this.#issuer.issue({ sub: user, expiresIn: seconds });
  }

  /** Answers no request for some time. */
  async whileAway(ms: number): Promise<void> {
    this.#absences++;
    await pause(ms);
    this.#absences--;
  }
}

export async function startKeyServer(owner: Owner): Promise<KeyServer> {
  return new KeyServer(owner, await freePort(), await newIssuer("ES256"));
}
