/**
 * Stands in for `gcloud compute start-iap-tunnel INSTANCE PORT --local-host-port=localhost:0`: the file that
 * the variable FAKE_TUNNELS names has the real port of each `INSTANCE:PORT`.
 */

import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";

const [group, command, instance, port] = process.argv.slice(2);
const targets = JSON.parse(readFileSync(process.env.FAKE_TUNNELS ?? "", "utf8")) as Record<string, number>;
const target = targets[`${instance}:${port}`];
if (group !== "compute" || command !== "start-iap-tunnel" || target === undefined) {
  process.stderr.write(`ERROR: [4033: 'not authorized'] for ${process.argv.slice(2).join(" ")}\n`);
  process.exit(1);
}
const server = createServer((client) => {
  const upstream = connect(target, "127.0.0.1");
  client.pipe(upstream).pipe(client);
  for (const socket of [client, upstream]) socket.on("error", () => socket.destroy());
  client.once("close", () => upstream.destroy());
  upstream.once("close", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => {
  process.stderr.write(`Listening on port [${(server.address() as AddressInfo).port}].\n`);
});
