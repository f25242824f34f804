/** Resources that were being created when the engine of a stack was killed. */

import { cloudIdOf, type Inputs, kindOf } from "./cloud-ids.ts";

/** A resource in the text that `pulumi stack export` prints; only what this file uses. */
interface Resource {
  urn: string;
  type: string;
  /** False: a component, which only groups other resources. */
  custom?: boolean;
  id?: string;
  inputs?: Inputs;
  outputs?: Inputs;
  delete?: boolean;
  protect?: boolean;
  external?: boolean;
  pendingReplacement?: boolean;
}

interface Exported {
  deployment: {
    resources?: Resource[];
    pending_operations?: { type: string; resource: Resource }[];
  };
}

/** What becomes of the resources that were being created. */
export interface Recovery {
  /** The state for `pulumi stack import`. */
  state: string;
  /** URNs of resources that are in the state now and may not exist: `pulumi refresh` has to look for them. */
  sought: string[];
  /**
   * URNs of second copies, which a replacement made. They are in the state now, and the next `up` deletes
   * them.
   */
  copies: string[];
  /** Resources that the next `up` creates again, although one may exist, with the name that people see. */
  twice: { urn: string; name: string }[];
  /** Number of creations that were in flight. */
  total: number;
}

/**
 * Computes the state in which `pulumi refresh` and `pulumi up` can continue.
 *
 * Pulumi records each creation in the state before the creation begins. When the engine is killed, the cloud
 * finishes the creation, and the state has the resource's inputs but not its id. `pulumi up` then creates the
 * resource again. A resource with a fixed name is refused with 409; a resource with a made-up name exists
 * twice, and nobody deletes the first one. `pulumi refresh --clear-pending-creates` forgets the resource, and
 * so does `--import-pending-creates` (Pulumi 3.256). So this function adds the resources to the state, with
 * the ids that they have in the cloud. Components do not exist in the cloud, and the next `up` creates them.
 *
 * @throws Error when a creation is of a type that has no row in cloud-ids.ts
 */
export function recover(exported: string): Recovery {
  const stack = JSON.parse(exported) as Exported;
  const { deployment } = stack;
  const resources = deployment.resources ?? [];
  const operations = deployment.pending_operations ?? [];
  const creates = operations
    .filter(({ type, resource }) => type === "creating" && resource.custom !== false)
    .map(({ resource }) => resource);
  const found: Pick<Recovery, "sought" | "copies" | "twice"> = { sought: [], copies: [], twice: [] };
  for (const create of creates) add(create, resources, found);
  deployment.resources = resources;
  deployment.pending_operations = operations.filter(({ type }) => type !== "creating");
  return { state: JSON.stringify(stack), ...found, total: creates.length };
}

function add(
  create: Resource,
  resources: Resource[],
  { sought, copies, twice }: Pick<Recovery, "sought" | "copies" | "twice">,
): void {
  const { urn, type, external, inputs = {} } = create;
  const kind = kindOf(type);
  if (kind === "unknown")
    throw new Error(
      `${urn} was being created, and its type has no row in stacks/recover/cloud-ids.ts: look whether it exists in the cloud, and delete it there; then pulumi refresh --clear-pending-creates`,
    );
  if (external || kind === "again") return;
  const id = create.id || cloudIdOf(type, inputs);
  if (id === undefined) {
    twice.push({ urn, name: String(inputs.displayName ?? inputs.secret ?? inputs.name ?? "") });
    return;
  }
  // The inputs and an id are what the provider itself knows when the creation has just succeeded. A refresh
  // adds what the cloud computes.
  const resource = { ...create, id, outputs: create.outputs ?? inputs };
  const index = resources.findIndex((other) => other.urn === urn && !other.delete);
  const known = resources[index];
  if (known === undefined) {
    resources.push(resource);
    sought.push(urn);
  } else if (known.pendingReplacement) {
    resources[index] = resource; // the old resource was deleted before the creation
    sought.push(urn);
  } else if (known.id !== id) {
    resources.push({ ...resource, delete: true, protect: false });
    copies.push(urn);
  }
}
