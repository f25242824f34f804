/** A fake of the part of Google's Compute API that the checks use. */

import { createServer, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

export interface Asked {
  method: string;
  /** Path and query. */
  path: string;
  body: unknown;
  /** The header `authorization`. */
  authorization: string | undefined;
}

export interface Reply {
  status?: number;
  body: unknown;
}

export interface FakeCompute {
  /** For ODIN_COMPUTE_URL. */
  url: string;
  asked: Asked[];
}

/** Serves the answers of `reply`, which gets the request and the number of requests before it. */
export async function fakeCompute(
  owner: Owner,
  reply: (asked: Asked, before: number) => Reply,
): Promise<FakeCompute> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const one = await read(request);
    const { status = 200, body } = reply(one, asked.length);
    asked.push(one);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  owner.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, asked };
}

async function read(request: IncomingMessage): Promise<Asked> {
  const sent = await text(request);
  const body = sent === "" ? undefined : (JSON.parse(sent) as unknown);
  const { method = "", url = "" } = request;
  return { method, path: url, body, authorization: request.headers.authorization };
}

/** The state of a managed instance group. Default: two gateways, and nothing left to do. */
export interface GroupState {
  targetSize?: number;
  isStable?: boolean;
  isReached?: boolean;
  currentActions?: Record<string, number>;
}

/** An answer of the API about a group whose only version is `template`. */
export function groupReply(template: string, state: GroupState = {}): object {
  const { targetSize = 2, isStable = true, isReached = true, currentActions = { none: targetSize } } = state;
  return {
    targetSize,
    versions: [
      {
        instanceTemplate: `https://www.googleapis.com/compute/v1/projects/p/global/instanceTemplates/${template}`,
      },
    ],
    currentActions,
    status: { isStable, versionTarget: { isReached } },
  };
}
