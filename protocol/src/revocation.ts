/**
 * Revocations of tokens, as a backend stores them on NATS and gateways read them. A small stream of its own
 * holds them: the newest revocation of each user and of each token, for as long as the tokens live.
 */

/** The stream of revocations. Gateways and `revoke` of the publisher create it when it is missing. */
export const REVOCATIONS = {
  stream: "ODIN_REVOCATIONS",
  subjects: "odin.revoked.>",
  /** A further revocation is refused, because an old one must not be forgotten silently. */
  maxRevocations: 100_000,
  maxBytes: 33_554_432, // 32 MiB
  maxMessageBytes: 4096,
} as const;

/** Header of NATS with the time after which a message is removed, such as `3600s`. */
export const TTL_HEADER = "Nats-TTL";

/** What is revoked: one token by its claim `jti`, or all tokens of a user (claim `sub`) up to a time. */
export type Revoked = { jti: string } | { user: string };

/** A revocation as gateways apply it. */
export interface Revocation {
  revoked: Revoked;
  /** Only tokens that were issued up to this time (claim `iat`, seconds since 1970) are revoked. */
  issuedUpTo: number;
  /** Time at which the revocation ends, seconds since 1970; Infinity: never. */
  until: number;
}

/** Returns the subject of a revocation: another revocation of the same user or token replaces it. */
export function revocationSubject(revoked: Revoked): string {
  const [kind, id] = "jti" in revoked ? ["jti", revoked.jti] : ["user", revoked.user];
  // Subjects of NATS cannot contain every character of a user's name.
  const bytes = new TextEncoder().encode(id);
  const text = btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
  return `odin.revoked.${kind}.${text.replaceAll("+", "-").replaceAll("/", "_")}`;
}

/**
 * Reads a revocation; undefined when the body is not one.
 *
 * @param body `{"jti":"…"}` or `{"user":"…"}`, with an optional `issued_up_to` in seconds since 1970
 * @param storedAt time at which NATS stored the message, seconds since 1970
 * @param ttl value of the header Nats-TTL
 */
export function parseRevocation(body: string, storedAt: number, ttl = ""): Revocation | undefined {
  const { jti, user, issued_up_to: upTo = storedAt } = fieldsOf(body);
  const id = jti ?? user;
  if (typeof id !== "string" || id === "" || (jti !== undefined) === (user !== undefined)) return undefined;
  if (typeof upTo !== "number") return undefined;
  const revoked = jti === undefined ? { user: id } : { jti: id };
  return { revoked, issuedUpTo: upTo, until: storedAt + secondsOf(ttl) };
}

function fieldsOf(body: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(body)) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const UNIT_SECONDS: Record<string, number> = { s: 1, m: 60, h: 3600 };

/** NATS accepts seconds (`90`) and Go's durations (`1h30m`). Another text means a revocation that stays. */
function secondsOf(ttl: string): number {
  if (!/^(\d+|(\d+[smh])+)$/.test(ttl)) return Number.POSITIVE_INFINITY;
  const parts = ttl.matchAll(/(\d+)([smh]?)/g);
  return parts.reduce((sum, [, digits, unit = ""]) => sum + Number(digits) * (UNIT_SECONDS[unit] ?? 1), 0);
}
