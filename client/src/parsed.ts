import type { ServerMessage } from "@odin-ws/protocol";
import { guarded } from "./environment.ts";
import type { ConnectOptions } from "./types.ts";

/**
 * Parses a message of the gateway. Returns false when the text is not JSON, or not an object with a `type`.
 * `parse` replaces JSON.parse for the data only, because the client needs the other fields as numbers.
 */
export function parsed(text: string, parse: ConnectOptions["parse"]): ServerMessage | false {
  try {
    const message = JSON.parse(text);
    if (parse && message.channel) {
      guarded(() => {
        message.data = (parse(text) as { data: unknown }).data;
      });
    }
    return message.type && message; // Throws for null.
  } catch {
    return false;
  }
}
