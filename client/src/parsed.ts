import type { ServerMessage } from "@odin-ws/protocol";

/**
 * Parses a message of the gateway. Returns false when the text is not JSON, or not an object with a `type`.
 */
export function parsed(text: unknown): ServerMessage | false {
  try {
    const message = JSON.parse(text as string);
    return message.type && message; // Throws for null.
  } catch {
    return false;
  }
}
