import {
  type Envelope,
  type HeartbeatAck,
  isEnvelope,
  type ServerMessage,
  type SubscriptionAck,
  type Welcome,
} from "@odin-ws/protocol";
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
  /** Whether the stream may carry no message for a long time, so that none is required. */
  quietStream: boolean;
}

/**
 * Makes one attempt to do what a client does: connect, welcome, subscribe, message, and resume on a second
 * connection. When the gateways require tokens, it also checks that they refuse a connection without a token.
 * Returns the steps that could not be checked, and the reason; an empty text when all steps were checked.
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
  const delivered = await closing(answer, () => talk(steps, answer, args.quietStream));
  if (typeof delivered !== "string") await resume(steps, args, delivered);
  if (token !== undefined && auth !== "none")
    await steps.step(
      "refusal",
      () => expectRefusal(steps, args),
      whereToLook,
      () => "401 without a token",
    );
  return typeof delivered === "string" ? `message, resume: ${delivered}` : "";
}

async function closing<T>(probe: Probe, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    probe.close();
  }
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

/** A message that arrived, and the epoch of the stream that it belongs to. */
interface Delivered {
  epoch: string;
  message: Envelope;
}

/** Returns the first message that arrives, or the reason why none was required. */
async function talk(steps: Steps, probe: Probe, quietStream: boolean): Promise<Delivered | string> {
  const { epoch } = await steps.step(
    "welcome",
    () => welcome(steps, probe),
    () => "Look at what answers at this address: the server uses another protocol",
    ({ instance }) => `instance ${instance}`,
  );
  await steps.step(
    "subscribe",
    () => subscribe(steps, probe),
    () => "Look at the log of the gateway, and at the channels that the token allows",
  );
  const message = await steps.step(
    "message",
    () => firstEnvelope(steps, probe, quietStream),
    () =>
      "Look at the publishers first, then at the log of the gateway. If it is normal that the stream carries no such message, set quietStream (ODIN_SMOKE_QUIET_STREAM=true)",
    (envelope) => (typeof envelope === "string" ? undefined : `envelope of ${envelope.channel}`),
  );
  return typeof message === "string" ? message : { epoch, message };
}

const welcome = (steps: Steps, probe: Probe): Promise<Welcome> =>
  probe.next("welcome", isType<Welcome>("welcome"), steps.wait);

async function subscribe(
  steps: Steps,
  probe: Probe,
  since?: { epoch: string; offset: number },
): Promise<SubscriptionAck> {
  probe.send({ type: "subscribe", channels: CHANNELS, ...(since && { since }) });
  // Envelopes may arrive before the acknowledgement: without filtering, each client gets all messages from
  // the start.
  const ack = await probe.next("subscription_ack", isType<SubscriptionAck>("subscription_ack"), steps.wait);
  const missing = CHANNELS.filter((channel) => !ack.subscribed?.includes(channel));
  if (missing.length > 0)
    throw new Error(`subscription_ack without ${missing.join(", ")}, expected all that was asked for`);
  return ack;
}

/**
 * Waits for a message of the stream, and returns the reason when none came and none is required. The answer
 * to a heartbeat is not enough, because a gateway that delivers nothing answers it, too.
 */
async function firstEnvelope(steps: Steps, probe: Probe, quietStream: boolean): Promise<Envelope | string> {
  try {
    return await probe.next("an envelope", isEnvelope, steps.wait);
  } catch (error) {
    probe.send({ type: "heartbeat" });
    const ack = await probe.next("heartbeat_ack", isType<HeartbeatAck>("heartbeat_ack"), steps.wait);
    // A new stream carries no message before the first publisher has connected.
    if (ack.offset === 0) return "the stream has carried no message yet";
    if (quietStream) return "the stream carries no message at present, which quietStream allows";
    throw error;
  }
}

/** Asks for the message again on another connection, as a client does after it lost its connection. */
async function resume(steps: Steps, args: ConversationArgs, { epoch, message }: Delivered): Promise<void> {
  await steps.step(
    "resume",
    async () => {
      const probe = await open(steps, args, args.token?.());
      return closing(probe, async () => {
        await welcome(steps, probe);
        const { recovered } = await subscribe(steps, probe, { epoch, offset: message.offset - 1 });
        if (recovered !== true)
          throw new Error(
            `the gateway has lost the message with offset ${message.offset}, which arrived seconds before, expected recovered: true`,
          );
        const isSame = (one: ServerMessage): one is Envelope =>
          isEnvelope(one) && one.offset === message.offset;
        return probe.next(`the message with offset ${message.offset} again`, isSame, steps.wait);
      });
    },
    (error) => (error instanceof Refused ? whereToLook(error) : "Look at the log of the gateway"),
    () => "the same message on a second connection",
  );
}

const isType =
  <T extends ServerMessage>(type: T["type"]) =>
  (message: ServerMessage): message is T =>
    !isEnvelope(message) && message.type === type;

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
