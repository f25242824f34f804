/** Makes the tokens that an identity service would issue, and tokens that an attacker would forge. */

import { createServer } from "node:http";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";

export interface Claims extends JWTPayload {
  sub?: string;
  /** Seconds from now. Default 300. */
  expiresIn?: number;
  channels?: string[];
}

type Algorithm = "HS256" | "RS256" | "ES256";

export interface Issuer {
  /** PEM of the public key, for `JWT_PUBLIC_KEY`. */
  publicKey: string;
  issue(claims: Claims): Promise<string>;
  /** The public key as a JSON Web Key with its `kid`. */
  jwk: Record<string, unknown>;
}

type Key = Parameters<SignJWT["sign"]>[0];

function sign(key: Key, alg: Algorithm, claims: Claims, kid?: string): Promise<string> {
  const { expiresIn = 300, ...payload } = claims;
  return new SignJWT({ exp: Math.floor(Date.now() / 1000) + expiresIn, ...payload })
    .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
    .setIssuedAt()
    .sign(key);
}

/** A token signed with a shared secret (HS256). */
export const issue = (secret: string, claims: Claims): Promise<string> =>
  sign(new TextEncoder().encode(secret), "HS256", claims);

/** An issuer with a new key pair. */
export async function newIssuer(alg: "RS256" | "ES256", kid = "key-1"): Promise<Issuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    publicKey: await exportSPKI(publicKey),
    issue: (claims) => sign(privateKey, alg, claims, kid),
    jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" },
  };
}

/** A token with `alg: none` and no signature. A verifier that trusts the token's header would accept it. */
export function unsigned(claims: Claims): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const { expiresIn = 300, ...payload } = claims;
  return `${part({ alg: "none", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + expiresIn, ...payload })}.`;
}

/** A token with one changed bit in the first byte of its signature. */
export function tampered(token: string): string {
  const [head, payload, signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes[0] = (bytes[0] ?? 0) ^ 1;
  return `${head}.${payload}.${bytes.toString("base64url")}`;
}

/** Serves a key set for `JWKS_URL` and returns its address. */
export async function serveKeys(owner: Owner, keys: readonly Record<string, unknown>[]): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys }));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${port}/jwks.json`;
}
