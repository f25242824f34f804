/** Polls of a gateway over HTTP. */

import type { Envelope, Position, Since } from "@odin-ws/protocol";

/** Answer to a poll. */
export interface Poll extends Position {
  recovered: boolean;
  messages: Omit<Envelope, "seq">[];
}

/** A poll that has no answer after this time counts as failed. */
const PATIENCE_MS = 10_000; // 10 s
/** Wait before another poll when a gateway has not read the stream as far as the gateway before. */
const BEHIND_MS = 300;

/** Functions of JSON that keep the text of a number; not in every browser. */
const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };

/** Keeps numbers that JavaScript cannot hold, such as integers above 2 ** 53, for the option `parse`. */
function exact(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const changed = typeof value === "number" && source !== undefined && String(value) !== source;
  return changed && rawJSON ? rawJSON(source) : value;
}

/**
 * Returns the address of `GET /poll` or `GET /events`, beside the address of the WebSocket.
 *
 * @param path `poll` or `events`
 */
export function addressOf(socket: URL, path: string, channels: readonly string[], since?: Since): URL {
  const url = new URL(socket);
  url.pathname = url.pathname.replace(/[^/]*$/, path);
  url.searchParams.set("channels", channels.join());
  if (since) url.searchParams.set("since", `${since.epoch}:${since.offset}`);
  if (since?.ts) url.searchParams.set("ts", `${since.ts}`);
  return url;
}

/** Throws the status of an answer that is not 200. `asking` ends the poll. */
export async function askPoll(send: typeof fetch, address: URL, asking: AbortController): Promise<Poll> {
  const late = setTimeout(() => asking.abort(), PATIENCE_MS);
  try {
    const answer = await send(address, { signal: asking.signal });
    if (answer.status !== 200) throw answer.status;
    return JSON.parse(await answer.text(), exact) as Poll;
  } finally {
    clearTimeout(late);
  }
}

/**
 * Polls for what channels carried from the position `since` up to the position of the client's other
 * channels, which may move meanwhile. `wentBack`: the stream has lost its newest messages. Rejects when the
 * gateway does not reach that position.
 */
export async function catchUp(
  poll: (channels: readonly string[], since: Since) => Promise<Poll>,
  channels: readonly string[],
  since: Since,
  reached: () => Position,
): Promise<{ recovered: boolean; messages?: Poll["messages"]; wentBack?: boolean }> {
  const lost = { recovered: false };
  if (since.epoch !== reached().epoch) return lost;
  // The gateway knows whether it is only behind, or whether the stream has lost its newest messages.
  if (since.offset > reached().offset && !(await poll([], since)).recovered)
    return { ...lost, wentBack: true };
  const found: Poll["messages"] = [];
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (let from = since; from.offset < reached().offset; ) {
    const answer = await poll(channels, from);
    if (!answer.recovered) return lost;
    // Later messages come with the next poll or stream of all channels.
    found.push(...answer.messages.filter(({ offset }) => offset <= reached().offset));
    if (answer.offset <= from.offset) {
      if (performance.now() > giveUpAt) throw new Error("the gateway does not catch up");
      await new Promise((resolve) => setTimeout(resolve, BEHIND_MS));
    }
    from = answer;
  }
  return { recovered: true, messages: found };
}
