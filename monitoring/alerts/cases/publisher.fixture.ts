import { type AlertCase, counter, gauge, gaugeCase, STEP, seriesName } from "./alert-case.fixture.ts";

const DAY = 86_400; // seconds
const PUBLISHER = { job: "publisher", instance: "monitoring" };
const bucket = (le: string) => seriesName("publisher_store_seconds_bucket", { ...PUBLISHER, le });
const LOST = "Events a second that NATS refuses, or that find the publisher's queue full, on monitoring: ";

/** Cases of the alerts on the publisher's service. */
export const PUBLISHER_CASES: readonly AlertCase[] = [
  {
    alert: "PublisherDisconnected",
    step: STEP,
    series: { [seriesName("publisher_nats_connected", PUBLISHER)]: gauge([1, 120], [0, 90], [1, 180]) },
    conditionAt: 120,
    resolvedAt: 345, // connected again at 210; the alert keeps firing for two minutes
    labels: PUBLISHER,
    description:
      "publisher_nats_connected is 0 on monitoring: its events wait in the queue, and are lost when the queue is full.",
  },
  {
    alert: "PublisherLosesEvents", // NATS refuses events
    step: STEP,
    series: {
      [seriesName("publisher_events_refused_total", PUBLISHER)]: counter([0, 120], [2, 300], [0, 420]),
      [seriesName("publisher_events_left_out_total", PUBLISHER)]: counter([0, 840]),
    },
    conditionAt: 120,
    resolvedAt: 720,
    labels: PUBLISHER,
    description: `${LOST}0.50. No client gets these events.`,
  },
  {
    alert: "PublisherLosesEvents", // the queue is full
    step: STEP,
    series: {
      [seriesName("publisher_events_refused_total", PUBLISHER)]: counter([0, 840]),
      [seriesName("publisher_events_left_out_total", PUBLISHER)]: counter([0, 120], [2, 300], [0, 420]),
    },
    conditionAt: 120,
    resolvedAt: 720,
    labels: PUBLISHER,
    description: `${LOST}0.50. No client gets these events.`,
  },
  {
    alert: "PublisherSlow",
    step: STEP,
    series: {
      // First all events take at most 0.25 s, then 8 % take longer.
      [bucket("0.1")]: counter([90, 1500]),
      [bucket("0.25")]: counter([100, 300], [92, 600], [100, 600]),
      [bucket("0.5")]: counter([100, 1500]),
      [bucket("+Inf")]: counter([100, 1500]),
    },
    conditionAt: 330,
    resolvedAt: 1200,
    labels: PUBLISHER,
    description:
      "1% of the events of monitoring are stored later than 468.8ms after they were published (alert threshold: 0.25s). Clients get them later still.",
  },
  gaugeCase(
    "PublisherQueueFilling",
    "publisher_events_waiting",
    [5000, 7500, 0],
    60,
    "75% of the publisher's queue on monitoring is in use (alert threshold: 50%). When the queue is full, new events are lost.",
    PUBLISHER,
  ),
  gaugeCase(
    "PublisherQueueFilling", // few large events
    "publisher_waiting_bytes",
    [8_388_608, 12_582_912, 0],
    60,
    "75% of the publisher's queue on monitoring is in use (alert threshold: 50%). When the queue is full, new events are lost.",
    PUBLISHER,
  ),
  {
    alert: "PublisherCredentialsExpiring",
    step: STEP,
    series: {
      [seriesName("publisher_credentials_expiry_timestamp_seconds", PUBLISHER)]: gauge(
        [30 * DAY + 105, 3900],
        [60 * DAY, 600],
      ),
      // 0: the password of this one does not expire.
      [seriesName("publisher_credentials_expiry_timestamp_seconds", { ...PUBLISHER, instance: "other" })]:
        gauge([0, 4500]),
    },
    conditionAt: 120,
    resolvedAt: 3915, // another file at 3900
    labels: PUBLISHER,
    description:
      "The user with whom the publisher on monitoring connects to NATS expires in 29d 22h 59m 45s. From then on the stream gets no events of this publisher.",
  },
];
