/** Hashes of users and seats: which gateway counts a user, and whether two gateways know the same seats. */

import { createHash } from "node:crypto";

/** Parts of all users. Each part is counted by one gateway. */
const SHARDS = 1024;
const KEY_LENGTH = 22; // 132 bits

/** Key of a user in the messages of gateways: a short text that does not show the user's name. */
export function userKey(user: string): string {
  return createHash("sha256").update(user).digest("base64url").slice(0, KEY_LENGTH);
}

export function shardOf(key: string): number {
  return hash(key) % SHARDS;
}

/**
 * Returns for each shard the gateway that counts it. All gateways that know the same members return the same.
 * A gateway that joins or ends changes only the shards that it counts (rendezvous hashing).
 */
export function ownersOf(members: readonly string[]): string[] {
  const hashes = members.map(hash);
  const owners: string[] = [];
  for (let shard = 0; shard < SHARDS; shard++) {
    const salt = Math.imul(shard + 1, 0x9e3779b1);
    let best = -1;
    let owner = "";
    for (const [at, member] of members.entries()) {
      const weight = mix((hashes[at] as number) ^ salt);
      if (weight < best || (weight === best && member < owner)) continue;
      best = weight;
      owner = member;
    }
    owners.push(owner);
  }
  return owners;
}

/** Summed with XOR over all seats, shows whether two gateways know the same seats. */
export function seatSum(seat: number, key: string): number {
  return mix(hash(key) ^ Math.imul(seat, 0x9e3779b1));
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return mix(value);
}

/** The last step of MurmurHash3: every bit of the input changes about half of the bits of the result. */
function mix(input: number): number {
  let value = input ^ (input >>> 16);
  value = Math.imul(value, 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
