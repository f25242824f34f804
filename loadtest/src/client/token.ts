/** A JWT (HS256) for each connection: a gateway limits the connections of one user. */

import { createHmac } from "node:crypto";

const LIFETIME = 86_400; // a day, in seconds: the longest run

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export function tokenFor(secret: string, connection: number): string {
  const exp = Math.floor(Date.now() / 1000) + LIFETIME;
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: `loadtest-${connection}`, exp })}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
