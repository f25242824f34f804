import { ApiError, type ComputeApi } from "./compute-api.ts";

/** An instance as the load balancer sees it. */
interface Seen {
  instance: string;
  state: string;
}

/**
 * Whether `/health` is well in the load balancer's eyes: the probes' port is closed to everyone else, so Google is asked.
 * Returns how many instances there are. @throws Error that names those that are not healthy
 */
export async function checkBackendHealth(
  api: ComputeApi,
  backendService: string,
  group: string,
): Promise<number> {
  const answer = (await api("POST", `${backendService}/getHealth`, { group })) as {
    healthStatus?: { instance?: string; healthState?: string }[];
  };
  const seen: Seen[] = (answer.healthStatus ?? []).map(({ instance = "?", healthState = "UNKNOWN" }) => ({
    instance: instance.split("/").at(-1) ?? instance,
    state: healthState,
  }));
  if (seen.length === 0)
    throw new Error("the load balancer sees no instance, expected at least one that is HEALTHY");
  const ill = seen.filter(({ state }) => state !== "HEALTHY");
  if (ill.length === 0) return seen.length;
  const states = ill.map(({ instance, state }) => `${instance} is ${state}`).join(", ");
  throw new Error(`${ill.length} of ${seen.length} instances: ${states}, expected HEALTHY`);
}

/** Where a person looks when the check above failed. */
export function whereToLookForHealth(error: unknown): string {
  if (!(error instanceof ApiError))
    return (
      "Look at port 3002, /health of these instances (its JSON says why not), at their serial console, and at the firewall rule for " +
      "the probes"
    );
  if (error.status === 403)
    return "Look at the roles of this account: it needs compute.backendServices.get (roles/compute.viewer)";
  if (error.status === 404) return "Look at the name of the backend service and of the instance group";
  return "Look at the credentials and the network of this machine";
}
