/** A proxy in front of NATS that passes on some requests of its clients late. */

import { startRelay } from "./delay-proxy.ts";
import type { Nats } from "./nats.ts";
import type { Owner } from "./owner.ts";

export interface NatsDelay {
  /** For NATS_URL. */
  url: string;
  /** Number of requests that were passed on late. */
  readonly delayed: number;
}

const LINE_END = Buffer.from("\r\n");

/**
 * Splits the bytes of a NATS connection into its commands. Each command is a line; the commands with these
 * names also have a subject and a body, whose length is the last word of the line. Clients send PUB and HPUB,
 * servers MSG and HMSG.
 */
export function commandReader(withBody: RegExp): (chunk: Buffer) => { subject: string; bytes: Buffer }[] {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const commands = [];
    for (;;) {
      const end = rest.indexOf(LINE_END);
      if (end < 0) break;
      const [verb = "", subject = "", ...others] = rest.toString("latin1", 0, end).split(/\s+/);
      const hasBody = withBody.test(verb);
      const length = end + 2 + (hasBody ? Number(others.at(-1)) + 2 : 0);
      if (rest.length < length) break;
      commands.push({ subject: hasBody ? subject : "", bytes: rest.subarray(0, length) });
      rest = rest.subarray(length);
    }
    return commands;
  };
}

/** Passes on requests to these subjects after `delay` ms, and everything else at once. */
export async function startNatsDelay(
  owner: Owner,
  nats: Pick<Nats, "url">,
  subjects: RegExp,
  delay: number,
): Promise<NatsDelay> {
  const target = Number(new URL(nats.url).port);
  let delayed = 0;
  const port = await startRelay(owner, target, (client, upstream) => {
    upstream.pipe(client);
    const read = commandReader(/^H?PUB$/i);
    client.on("data", (chunk) => {
      for (const { subject, bytes } of read(chunk)) {
        if (!subjects.test(subject)) upstream.write(bytes);
        else {
          delayed++;
          setTimeout(() => upstream.write(bytes), delay);
        }
      }
    });
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    get delayed() {
      return delayed;
    },
  };
}
