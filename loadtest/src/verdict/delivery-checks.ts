/** Checks of deliveries: losses, content and counts. */

import { FAULTS } from "../worker-messages.ts";
import { check, type Evidence, formatNumber, NOTHING_DELIVERED, STOPPED, skipped } from "./check.ts";
import type { Check } from "./result.ts";

export function losses({ result, summary, unsettled }: Evidence): Check[] {
  const name = "Every message reached every subscriber";
  if (result.deliveries === 0) {
    return result.published > 0
      ? [check(name, false, `${formatNumber(result.published)} messages were published, and none arrived`)]
      : [skipped(name, NOTHING_DELIVERED)];
  }
  const { lost, clientsWithLoss, dropped, unexpected } = summary;
  const faults = [
    lost > 0 &&
      `${formatNumber(lost)} deliveries lost by ${formatNumber(clientsWithLoss)} clients, not reported by the gateway`,
    unsettled > 0 && `${formatNumber(unsettled)} clients had not received everything by the end`,
  ].filter((text) => text !== false);
  const passed =
    result.published > 0
      ? `${formatNumber(result.published)} published messages, followed from the stream to each subscriber`
      : `${formatNumber(result.messages)} messages; a message that one client received is due to all of its subscribers`;
  return [
    check(name, faults.length === 0, faults.join("; ") || passed),
    check(
      "No drops reported by the gateway",
      dropped === 0 && result.notRecovered === 0,
      `${formatNumber(dropped)} deliveries dropped by throttling or overload, ${formatNumber(result.notRecovered)} resumes not recovered`,
    ),
    check(
      "No messages without a subscription",
      unexpected === 0,
      `${formatNumber(unexpected)} deliveries on channels without a subscription`,
    ),
  ];
}

/**
 * Checks of messages that newer ones have replaced, which is no loss. `losses` has checked that the newest
 * message of each channel arrived.
 */
export function leftOut({ options, result, summary }: Evidence): Check[] {
  const { maxRate, conflate, last, scenario } = options;
  const checks: Check[] = [];
  const rated = "The newest message of each channel came, and --max-rate left out older ones";
  if (maxRate !== undefined && summary.leftOut === 0)
    checks.push(
      skipped(rated, `no channel had more than ${formatNumber(maxRate)} messages a second: raise --rate`),
    );
  else if (maxRate !== undefined)
    checks.push(
      check(
        rated,
        summary.lost === 0,
        `${formatNumber(summary.leftOut)} deliveries were replaced by newer ones of their channels`,
      ),
    );
  else if (conflate)
    checks.push(
      check(
        "Only slow clients had messages left out",
        summary.leftOut === 0,
        `${formatNumber(summary.leftOut)} deliveries to other clients, ${formatNumber(summary.slowLeftOut)} to slow ones`,
      ),
    );
  if (last && scenario !== "connection-rate")
    checks.push(
      check(
        "Last values arrived",
        result.lastValues > 0,
        `${formatNumber(result.lastValues)}, each the newest message of its channel`,
      ),
    );
  return checks;
}

/**
 * Compares the delivery count with the number of messages, where every message has the same number of
 * subscribers.
 */
export function deliveryCount({ options, result, summary, subscribers }: Evidence): Check[] {
  const { scenario, nats, connections } = options;
  if (nats === undefined || (scenario !== "sustained" && scenario !== "throughput")) return [];
  const name = "Delivery count matches published messages";
  if (result.published === 0) return [skipped(name, "nothing was published")];
  const complete = result.served === connections && result.open === connections;
  if (!complete) return [skipped(name, "not all clients were connected all the time")];
  if (result.caughtUp > 0) return [skipped(name, "some messages were sent again on request")];
  const due = result.published * subscribers;
  const replaced = summary.leftOut === 0 ? "" : `, and ${formatNumber(summary.leftOut)} were left out`;
  return [
    check(
      name,
      result.deliveries + summary.leftOut === due,
      `${formatNumber(result.published)} messages × ${formatNumber(subscribers)} subscribers = ${formatNumber(due)} deliveries; ${formatNumber(result.deliveries)} arrived${replaced}`,
    ),
  ];
}

export function content({ options, result, conflicts }: Evidence): Check[] {
  const wrong = (result.faults.content ?? 0) + conflicts.length;
  const same = "Same content for all clients";
  const hash = "Content hash of each message";
  if (result.deliveries === 0 && wrong === 0) return [skipped(same, NOTHING_DELIVERED)];
  return [
    check(
      same,
      wrong === 0,
      wrong === 0
        ? `${formatNumber(result.deliveries)} deliveries compared byte for byte, ${formatNumber(result.messages)} messages parsed as JSON`
        : `${formatNumber(wrong)} deliveries or messages: ${FAULTS.content}`,
    ),
    options.nats === undefined
      ? skipped(hash, "the load test did not publish (--nats), so the original content is not known")
      : check(hash, wrong === 0, `number, due time and SHA-256 of ${formatNumber(result.messages)} messages`),
  ];
}

export function storedMessages({ options, result, feedFailures, stopped }: Evidence): Check {
  const name = "All messages stored by NATS";
  if (options.nats === undefined || options.scenario === "connection-rate")
    return skipped(name, "the load test did not publish");
  const { count, first } = feedFailures;
  if (stopped && count === 0 && result.published === 0) return skipped(name, STOPPED);
  return check(
    name,
    count === 0 && result.published > 0,
    count === 0 ? formatNumber(result.published) : `${count} were not stored: ${first}`,
  );
}

export function gatewayCount({ counts }: Evidence): Check {
  const name = "Delivery count matches the gateway's metrics";
  if (typeof counts === "string") return skipped(name, counts);
  const { gateway, least, most } = counts;
  if (most === 0 && gateway === 0) return skipped(name, NOTHING_DELIVERED);
  const percent = (100 * (most - least)) / Math.max(most, 1);
  const own =
    percent === 0
      ? formatNumber(most)
      : `${formatNumber(least)} to ${formatNumber(most)} (± ${formatNumber(percent / 2)} %)`;
  return check(
    name,
    gateway >= least && gateway <= most,
    `the gateway sent ${formatNumber(gateway)}, ${own} arrived`,
  );
}
