import type { ServerMessage } from "@odin-ws/protocol";

/** A message as it came from the line; false when it is no JSON, or not an object that says of which type it is. */
export function parsed(text: unknown): ServerMessage | false {
  try {
    const message = JSON.parse(text as string);
    return message.type && message; // Throws for null.
  } catch {
    return false;
  }
}
