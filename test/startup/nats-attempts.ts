/**
 * Sends requests to a NATS server, to test what a user may do: `node nats-attempts.ts URL ATTEMPT…`. Each
 * ATTEMPT has the form `SUBJECT=BODY`. Prints one line of JSON for each: true for an answer of JetStream
 * without an error, otherwise the error.
 */

import { connect } from "@nats-io/transport-node";
import { connectionOptions, readNatsServers } from "../../publisher/src/nats/nats-servers.ts";

const TIMEOUT_MS = 2_000; // ms for an answer; a request that is not permitted gets no answer

const [url = "", ...attempts] = process.argv.slice(2);
const options = connectionOptions(readNatsServers(url));
const connection = await connect({ ...options, reconnect: false, timeout: 5_000 });
for (const attempt of attempts) {
  const at = attempt.indexOf("=");
  const answer = connection.request(attempt.slice(0, at), attempt.slice(at + 1), { timeout: TIMEOUT_MS });
  const outcome = await answer.then(
    (message) => message.json<{ error?: { description: string } }>().error?.description ?? true,
    (error: Error) => error.message,
  );
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
await connection.close();
