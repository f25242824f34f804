/** Reads a stream of server-sent events, as `GET /events` of a gateway sends them. */

export interface ServerEvent {
  /** Name of the event; `message` for an event without a name. */
  name: string;
  /** Empty when the event has no id. */
  id: string;
  /** Empty for an event that only moves the position. */
  data: string;
}

const END_OF_EVENT = /\r?\n\r?\n/;

/**
 * Calls `take` with the events of the stream, together with those that arrived with them. Resolves at the end
 * of the stream, and rejects when the stream breaks.
 */
export async function readEvents(
  body: ReadableStream<Uint8Array>,
  take: (events: ServerEvent[]) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  // Not `for await`, which Safari has only since version 26.
  const reader = body.getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split(END_OF_EVENT);
    // The last block is not complete yet.
    text = blocks.pop() ?? "";
    if (blocks.length > 0) take(blocks.map(eventOf));
  }
}

function eventOf(block: string): ServerEvent {
  const event = { name: "message", id: "", data: "" };
  for (const line of block.split(/\r?\n/)) {
    const [, field, value = ""] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") event.data = event.data === "" ? value : `${event.data}\n${value}`;
  }
  return event;
}
