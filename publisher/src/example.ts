import { connectPublisher, EventRefusedError, QueueFullError, type Trade } from "@odin-ws/publisher";

/** Publishes trades as they arrive. `warn` gets every message that needs attention. */
export async function publishTrades(
  servers: string,
  trades: AsyncIterable<{ id: string } & Trade>,
  warn: (text: string) => void,
): Promise<void> {
  const publisher = connectPublisher({
    servers,
    createStream: true,
    onStatus: ({ kind, message }) => kind !== "connected" && warn(message),
  });
  for await (const { id, ...trade } of trades) {
    // Not awaited one by one: many trades are sent in parallel, and the trades of one token still keep their
    // order.
    publisher.publish({ id, event: "trade", symbol: trade.symbol, data: trade }).catch((error: Error) => {
      if (error instanceof QueueFullError)
        warn("NATS is away or too slow; this trade is lost unless it is published again");
      else if (error instanceof EventRefusedError) warn(error.message);
    });
  }
  await publisher.close();
}
