/** What a request over HTTP asks for: channels, and the position behind which the client continues. */

import { parseChannel, type Since } from "@odin-ws/protocol";
import { permission } from "../connection/permissions.ts";
import type { HttpClient } from "../entrance/clients.ts";

export interface Question {
  /** Channels and patterns in short form. */
  channels: string[];
  since: Since | undefined;
}

/** Why a request is refused. */
export interface RequestRefusal {
  status: 400 | 403 | 429;
  /** Value of `error` in the body. */
  reason: string;
  message: string;
}

/** Reads channels and position of a request, or returns why the request is refused. */
export function readQuestion(
  { url, request, identity }: Pick<HttpClient, "url" | "request" | "identity">,
  maxChannels: number,
): Question | RequestRefusal {
  const names = (url.searchParams.get("channels") ?? "").split(",").filter((name) => name !== "");
  const channels = new Set<string>();
  for (const name of names) {
    const channel = parseChannel(name);
    if (channel === undefined) return refusal(400, "invalid_channel", `${name} is not a channel`);
    channels.add(channel);
  }
  if (channels.size > maxChannels)
    return refusal(400, "too_many_channels", `${channels.size} channels, the limit is ${maxChannels}`);
  const allows = permission(identity?.channels);
  const forbidden = [...channels].find((channel) => !allows(channel));
  if (forbidden !== undefined)
    return refusal(403, "forbidden_channel", `your token does not allow ${forbidden}`);
  const position = request.headers["last-event-id"] ?? url.searchParams.get("since") ?? "";
  const since = parsePosition(String(position));
  if (since === null) return refusal(400, "invalid_message", "since must be EPOCH:OFFSET");
  const ts = Number(url.searchParams.get("ts"));
  if (since !== undefined && ts > 0) since.ts = ts;
  return { channels: [...channels], since };
}

/** `EPOCH:OFFSET`; undefined for an empty text, null for a text that is not a position. */
function parsePosition(text: string): Since | undefined | null {
  if (text === "") return undefined;
  const colon = text.lastIndexOf(":");
  const offset = Number(text.slice(colon + 1));
  if (colon < 1 || !/^\d{1,15}$/.test(text.slice(colon + 1))) return null;
  return { epoch: text.slice(0, colon), offset };
}

const refusal = (status: RequestRefusal["status"], reason: string, message: string): RequestRefusal => ({
  status,
  reason,
  message,
});
