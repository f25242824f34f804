const SECONDS_TO_NOTICE = 60;

/**
 * Connection draining timeout of a load balancer, in seconds: how long it continues to forward to a gateway
 * that the instance group removes. All backend services must use the same value: when several of them share a
 * group, the largest value applies to all.
 *
 * When the group removes a gateway, this happens in order:
 * 1. The gateway gets no new connections.
 * 2. For this many seconds, packets of existing connections still reach the gateway.
 * 3. The load balancer forgets these connections, and another gateway answers their packets with a reset.
 * 4. Only then, within 60 s, does the VM get its shutdown signal (the power button).
 *
 * So the gateway must have sent its clients away before this time is over. The time is therefore the
 * gateway's drain, plus 60 s to notice the removal: the VM asks its group (infra/startup/leaving.sh).
 * Source: cloud.google.com/load-balancing/docs/enabling-connection-draining
 * @param drainSeconds time that the gateway takes to send its clients away, in seconds
 */
export function connectionDrainingSeconds(drainSeconds: number): number {
  return SECONDS_TO_NOTICE + drainSeconds;
}

/**
 * The longest drain, in seconds, that a gateway can finish after its shutdown signal. Compute Engine cuts the
 * power 120 s after the signal (Spot VMs: 30 s), and systemd and Docker need some of that time to stop the
 * container.
 */
export function maxDrainSeconds(spot: boolean): number {
  return spot ? 30 - 10 : 120 - 20;
}
