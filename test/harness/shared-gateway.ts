/** A nats-server and a gateway that all tests of a suite share. */

import { before } from "node:test";
import { type Gateway, startGateway } from "./gateway.ts";
import { type Nats, startNats } from "./nats.ts";
import { suiteOwner } from "./owner.ts";

/** The fields are available from the first test of the suite on. */
export interface SharedGateway {
  readonly nats: Nats;
  /** A gateway that reads `nats`. */
  readonly gateway: Gateway;
}

/** Starts a nats-server and a gateway before the suite's first test. Call it in the body of `describe`. */
export function shareGateway(): SharedGateway {
  const owner = suiteOwner();
  let started: SharedGateway | undefined;
  const get = (): SharedGateway => {
    if (started === undefined)
      throw new Error("the suite has not started its gateway yet: use it inside a test");
    return started;
  };
  before(async () => {
    const nats = await startNats(owner);
    started = { nats, gateway: await startGateway(owner, { nats }) };
  });
  return {
    get nats() {
      return get().nats;
    },
    get gateway() {
      return get().gateway;
    },
  };
}
