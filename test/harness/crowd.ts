/**
 * Clients in a process of their own, for a network of their own: `node crowd.ts URL COUNT`. Prints
 * `all connected`, and for each connection that ends `closed CODE`.
 */

import { WebSocket } from "ws";

const [url = "", count = "0"] = process.argv.slice(2);
let open = 0;
for (let index = 0; index < Number(count); index++) {
  const socket = new WebSocket(url);
  socket.on("error", (error) => process.stdout.write(`error ${error.message}\n`));
  socket.once("close", (code) => process.stdout.write(`closed ${code}\n`));
  socket.once("open", () => {
    socket.send('{"type":"subscribe","channels":["global.trending"]}');
    open += 1;
    if (open === Number(count)) process.stdout.write("all connected\n");
  });
}
setInterval(() => {}, 60_000); // until it is killed
