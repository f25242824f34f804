export { after, machinesAfter } from "./after.ts";
export { ContainerImage, type ContainerImageArgs } from "./image/container-image.ts";
export {
  contentVersion,
  type ImageSource,
  type ImageSourceArgs,
  prepareContext,
} from "./image/image-context.ts";
export { BUILD_IMAGES, IMAGES } from "./image/images.ts";
export { Registry, type RegistryArgs } from "./image/registry.ts";
export { type BootArgs, bootMetadata, type Role, startupScript } from "./machines/boot.ts";
export { BOOT_DISK, EXACT_COS_IMAGE } from "./machines/boot-disk.ts";
export { bucketName } from "./machines/bucket.ts";
export { ConfigBucket, type ConfigBucketArgs } from "./machines/config-bucket.ts";
export { FLEET_RANGES, orderMistakes, type Range, zoneMistakes } from "./machines/fleet-mistakes.ts";
export type { CanaryArgs } from "./machines/gateway-canary.ts";
export { GATEWAY_ROLES, GatewayFleet } from "./machines/gateway-fleet.ts";
export type { GatewayFleetArgs } from "./machines/gateway-fleet-args.ts";
export { type MachineFacts, machineFacts } from "./machines/machine-types.ts";
export { MANIFEST, manifest } from "./machines/manifest.ts";
export { CONNECTIONS_METRIC } from "./machines/metric-descriptor.ts";
export {
  ALERTS_METRIC,
  HEARTBEAT_METRIC,
  lokiUrlByName,
  MONITORING_ROLES,
  MonitoringVm,
  type MonitoringVmArgs,
} from "./machines/monitoring-vm.ts";
export { Nats, type NatsArgs } from "./machines/nats.ts";
export { NatsMirror, type NatsMirrorArgs } from "./machines/nats-mirror.ts";
export { DEFAULT_PUBLISHER, type NatsPublisher } from "./machines/nats-publishers.ts";
export type { NatsConnection } from "./machines/nats-server.ts";
export { Vm, type VmArgs } from "./machines/vm.ts";
export { connectionDrainingSeconds, maxDrainSeconds } from "./network/draining.ts";
export { Firewall, type FirewallArgs } from "./network/firewall.ts";
export {
  type CapacityRoles,
  capacityRules,
  type FirewallRule,
  type PublisherRanges,
  type ServiceRoles,
  serviceRules,
} from "./network/firewall-rules.ts";
export { LoadBalancer, type LoadBalancerArgs } from "./network/load-balancer.ts";
export type { DnsRecord } from "./network/managed-certificate.ts";
export { NatsAddress, NatsEntrance, type NatsEntranceArgs } from "./network/nats-entrance.ts";
export { Network, type NetworkArgs, rangeMistake } from "./network/network.ts";
export { NETWORK_NAME, Peerings, type PeeringsArgs } from "./network/peerings.ts";
export { RegionNetwork, type RegionNetworkArgs } from "./network/region-network.ts";
export { WssAddress, type WssAddressArgs } from "./network/wss-address.ts";
export { HOST_NAME, WssEntrance, type WssEntranceArgs } from "./network/wss-entrance.ts";
export { type Recorded, type Recording, record } from "./offline/offline.ts";
export { type Cost, egressSteps, HOURS_A_MONTH, monthly, type Price } from "./offline/prices.ts";
export { PORTS, RANGES } from "./ports.ts";
export { Budget, type BudgetArgs } from "./project/budget.ts";
export { Identity, type IdentityArgs } from "./project/identity.ts";
export { Secret, type SecretArgs } from "./project/secret.ts";
export { APIS, Services, type ServicesArgs } from "./project/services.ts";
export { defaultRange, REGIONS, shortRegion, zonesOf } from "./regions.ts";
export { RegionDrain, type RegionDrainArgs } from "./rollout/region-drain.ts";
export { RolloutGate, type RolloutGateArgs } from "./rollout/rollout-gate.ts";
export { Watchdog, type WatchdogArgs } from "./rollout/watchdog.ts";
export { roleLabels, type Site } from "./site.ts";
