export { after } from "./after.ts";
export { type BootArgs, bootMetadata, type Role, startupScript } from "./boot.ts";
export { Budget, type BudgetArgs } from "./budget.ts";
export { ConfigBucket, type ConfigBucketArgs } from "./config-bucket.ts";
export { ContainerImage, type ContainerImageArgs } from "./container-image.ts";
export { connectionDrainingSeconds, maxDrainSeconds } from "./draining.ts";
export { Firewall, type FirewallArgs } from "./firewall.ts";
export {
  type CapacityRoles,
  capacityRules,
  type FirewallRule,
  type ServiceRoles,
  serviceRules,
} from "./firewall-rules.ts";
export { GATEWAY_ROLES, GatewayFleet, type GatewayFleetArgs } from "./gateway-fleet.ts";
export { Identity, type IdentityArgs } from "./identity.ts";
export { contentVersion, type ImageSource, type ImageSourceArgs, prepareContext } from "./image-context.ts";
export { BUILD_IMAGES, IMAGES } from "./images.ts";
export { LoadBalancer, type LoadBalancerArgs } from "./load-balancer.ts";
export type { DnsRecord } from "./managed-certificate.ts";
export { MANIFEST, manifest } from "./manifest.ts";
export { CONNECTIONS_METRIC } from "./metric-descriptor.ts";
export { HEARTBEAT_METRIC, MONITORING_ROLES, MonitoringVm, type MonitoringVmArgs } from "./monitoring-vm.ts";
export { Nats, type NatsArgs, type NatsConnection } from "./nats.ts";
export { Network, type NetworkArgs } from "./network.ts";
export { type Recorded, type Recording, record } from "./offline.ts";
export { PORTS, RANGES } from "./ports.ts";
export { type Cost, monthly, type Price } from "./prices.ts";
export { Registry, type RegistryArgs } from "./registry.ts";
export { RolloutGate, type RolloutGateArgs } from "./rollout-gate.ts";
export { Secret, type SecretArgs } from "./secret.ts";
export { APIS, Services, type ServicesArgs } from "./services.ts";
export { roleLabels, type Site } from "./site.ts";
export { Vm, type VmArgs } from "./vm.ts";
export { Watchdog, type WatchdogArgs } from "./watchdog.ts";
export { WssAddress, type WssAddressArgs } from "./wss-address.ts";
export { WssEntrance, type WssEntranceArgs } from "./wss-entrance.ts";
