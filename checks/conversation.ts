import { isEnvelope, type ServerMessage, type SubscriptionAck, type Welcome } from "@odin-ws/protocol";
import { Probe, Refused } from "./probe.ts";
import type { Steps } from "./steps.ts";

/**
 * The channels that the checks subscribe to: a live stream sends a message on one of them every few seconds.
 */
export const CHANNELS = ["global.trending", "*.trade"];

/** The gateways' address, and how the check presents itself to them. */
export interface ConversationArgs {
  url: string;
  /** Makes a token for one connection. Undefined: the check has no token. */
  token: (() => string) | undefined;
  origin: string | undefined;
  /** The authentication that the gateways must use. Undefined: either is accepted. */
  auth: "jwt" | "none" | undefined;
}

/**
 * Makes one attempt to do what a client does: connect, welcome, subscribe, message. When the gateways require
 * tokens, it also checks that they refuse a connection without a token. Returns the steps that could not be
 * checked because there is no token, and the reason; an empty text when all steps were checked.
 *
 * @throws StepError of the first step that failed
 */
export async function converse(steps: Steps, args: ConversationArgs): Promise<string> {
  const { token, auth } = args;
  const mayBeRefused = token === undefined && auth !== "none";
  const answer = await steps.step(
    "connect",
    () => (mayBeRefused ? openOrRefused(steps, args) : open(steps, args, token?.())),
    whereToLook,
    (result) =>
      result instanceof Refused ? `refused with ${result.status}, as it must be without a token` : "",
  );
  if (answer instanceof Refused)
    return "subscribe, message: the gateways require a token; set ODIN_SMOKE_JWT_SECRET or ODIN_SMOKE_TOKEN";
  try {
    await talk(steps, answer);
  } finally {
    answer.close();
  }
  if (token !== undefined && auth !== "none")
    await steps.step(
      "refusal",
      () => expectRefusal(steps, args),
      whereToLook,
      () => "401 without a token",
    );
  return "";
}

function open(steps: Steps, { url, origin }: ConversationArgs, token?: string): Promise<Probe> {
  return Probe.open(url, { token, origin, wait: steps.wait });
}

async function openOrRefused(steps: Steps, args: ConversationArgs): Promise<Probe | Refused> {
  return args.auth === "jwt"
    ? expectRefusal(steps, args)
    : open(steps, args).catch((error: unknown) => refusedForToken(error));
}

async function expectRefusal(steps: Steps, args: ConversationArgs): Promise<Refused> {
  const answer = await open(steps, args).catch((error: unknown) => refusedForToken(error));
  if (answer instanceof Refused) return answer;
  answer.close();
  throw new Error(
    "connected without a token, expected to be refused with HTTP 401: everybody can connect (AUTH_MODE=none)",
  );
}

function refusedForToken(error: unknown): Refused {
  if (error instanceof Refused && error.status === 401) return error;
  throw error;
}

async function talk(steps: Steps, probe: Probe): Promise<void> {
  await steps.step(
    "welcome",
    () => probe.next("welcome", isType<Welcome>("welcome"), steps.wait),
    () => "Look at what answers at this address: the server uses another protocol",
    ({ instance }) => `instance ${instance}`,
  );
  await steps.step(
    "subscribe",
    async () => {
      probe.send({ type: "subscribe", channels: CHANNELS });
      // Envelopes may arrive before the acknowledgement: without filtering, each client gets all messages
      // from the start.
      const ack = await probe.next(
        "subscription_ack",
        isType<SubscriptionAck>("subscription_ack"),
        steps.wait,
      );
      const missing = CHANNELS.filter((channel) => !ack.subscribed?.includes(channel));
      if (missing.length > 0)
        throw new Error(`subscription_ack without ${missing.join(", ")}, expected all that was asked for`);
    },
    () => "Look at the log of the gateway, and at the channels that the token allows",
  );
  await steps.step(
    "message",
    () => {
      probe.send({ type: "heartbeat" });
      return probe.next("an envelope or heartbeat_ack", isMessage, steps.wait);
    },
    () => "Look at the log of the gateway",
    (message) => (isEnvelope(message) ? `envelope of ${message.channel}` : "heartbeat_ack"),
  );
}

const isType =
  <T extends ServerMessage>(type: T["type"]) =>
  (message: ServerMessage): message is T =>
    !isEnvelope(message) && message.type === type;

const isMessage = (message: ServerMessage): message is ServerMessage =>
  isEnvelope(message) || message.type === "heartbeat_ack";

const WHERE: Record<number, string> = {
  401: "Look at the secret or the token: the gateways check tokens with another secret, or the token has expired",
  403: "Look at allowedOrigins: the origin that was sent (ODIN_SMOKE_ORIGIN) must be one of them",
  404: "Look at the path: it is /ws unless WS_PATH says otherwise",
  429: "Look at the limits per user and per address: this check connects too often",
  503: "Look at /health of the gateways: the JSON contains the reason why they accept no more connections",
};

function whereToLook(error: unknown): string {
  if (error instanceof Refused)
    return (
      WHERE[error.status] ??
      "Look at the backend of the load balancer: the server that answers is not a gateway"
    );
  return "Look at the address, the forwarding rule, the firewall rule of the port, and whether any gateway is healthy";
}
