export { type BootArgs, bootMetadata, type Role, startupScript } from "./boot.ts";
export { Identity, type IdentityArgs } from "./identity.ts";
export { PORTS, RANGES } from "./ports.ts";
export { roleLabels, type Site } from "./site.ts";
