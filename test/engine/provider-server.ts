/**
 * Connects a fake cloud to the Pulumi engine: the gRPC service of a resource provider, one for all packages.
 */

import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import service from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import rpc from "@pulumi/pulumi/proto/provider_pb.js";
import statuses from "@pulumi/pulumi/proto/status_pb.js";
import anyProto from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { FakeCloud } from "./fake-cloud.ts";
import { type Properties, ResourceFailed } from "./resource-type.ts";

/** A server to which the engine connects because of PULUMI_DEBUG_PROVIDERS. */
export interface ProviderServer {
  port: number;
  stop(): void;
}

/**
 * Serves `cloud` on a free port of the loopback interface.
 *
 * @param configure throws when the engine configures a provider whose machine lacks something
 */
export async function serveProvider(
  cloud: FakeCloud,
  configure: () => void = () => {},
): Promise<ProviderServer> {
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(service.ResourceProviderService, handlers(cloud, configure));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error) reject(error);
      else resolve(bound);
    });
  });
  return { port, stop: () => server.forceShutdown() };
}

function handlers(cloud: FakeCloud, check: () => void) {
  return {
    getPluginInfo: answer(async () => {
      const info = new plugin.PluginInfo();
      info.setVersion("99.0.0"); // no SDK requires a later version
      return info;
    }),
    attach: answer(async () => new empty.Empty()),
    cancel: answer(async () => new empty.Empty()),
    configure: answer(async () => {
      check();
      const response = new rpc.ConfigureResponse();
      response.setSupportspreview(true);
      // As the bridge of the real provider: the provider gets values without the marks of secrets, and the
      // engine marks outputs again that have the name of a secret input. A secret in any other output is not
      // marked.
      response.setAcceptsecrets(false);
      return response;
    }),
    invoke: answer(async (request: rpc.InvokeRequest) => {
      const response = new rpc.InvokeResponse();
      response.setReturn(toStruct(cloud.call(request.getTok(), toObject(request.getArgs()))));
      return response;
    }),
    check: answer(async (request: rpc.CheckRequest) => {
      const { inputs, failures } = cloud.check(
        request.getUrn(),
        toObject(request.getOlds()),
        toObject(request.getNews()),
      );
      const response = new rpc.CheckResponse();
      response.setInputs(toStruct(inputs));
      response.setFailuresList(
        failures.map(({ property, reason }) => {
          const failure = new rpc.CheckFailure();
          failure.setProperty(property);
          failure.setReason(reason);
          return failure;
        }),
      );
      return response;
    }),
    diff: answer(async (request: rpc.DiffRequest) => {
      const { changed, replaces, deleteBeforeReplace } = cloud.diff(
        request.getUrn(),
        toObject(request.getOldInputs()),
        toObject(request.getNews()),
      );
      const response = new rpc.DiffResponse();
      const { DIFF_NONE, DIFF_SOME } = rpc.DiffResponse.DiffChanges;
      response.setChanges(changed.length > 0 ? DIFF_SOME : DIFF_NONE);
      response.setDiffsList(changed);
      response.setReplacesList(replaces);
      response.setDeletebeforereplace(deleteBeforeReplace);
      return response;
    }),
    create: answer(async (request: rpc.CreateRequest) => {
      const inputs = toObject(request.getProperties());
      const response = new rpc.CreateResponse();
      if (request.getPreview()) {
        response.setProperties(toStruct(inputs)); // values that the cloud computes are unknown
        return response;
      }
      const { id, state } = await cloud.create(request.getUrn(), inputs, request.getTimeout());
      response.setId(id);
      response.setProperties(toStruct(state));
      return response;
    }),
    read: answer(async (request: rpc.ReadRequest) => {
      const response = new rpc.ReadResponse();
      const live = cloud.read(request.getUrn(), request.getId());
      response.setId(live?.id ?? "");
      response.setProperties(toStruct(live?.state ?? {}));
      response.setInputs(toStruct(live?.inputs ?? {}));
      return response;
    }),
    update: answer(async (request: rpc.UpdateRequest) => {
      const news = toObject(request.getNews());
      const olds = toObject(request.getOlds());
      const state = request.getPreview()
        ? cloud.previewUpdate(request.getUrn(), olds, news)
        : await cloud.update(request.getUrn(), request.getId(), news, request.getTimeout());
      const response = new rpc.UpdateResponse();
      response.setProperties(toStruct(state));
      return response;
    }),
    delete: answer(async (request: rpc.DeleteRequest) => {
      await cloud.delete(request.getUrn(), request.getId(), request.getTimeout());
      return new empty.Empty();
    }),
  };
}

/** A handler whose rejections are reported as errors of the resource. */
function answer<Request, Response>(handle: (request: Request) => Promise<Response>) {
  return ({ request }: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    handle(request).then(
      (response) => callback(null, response),
      (error) => callback(failure(error)),
    );
  };
}

/**
 * An error in the form that the engine expects. The error of a resource that exists nevertheless has the
 * resource's state, so that the engine records the resource as created.
 */
function failure(error: unknown) {
  const message = error instanceof Error ? error.message : String(error);
  const metadata = new Metadata();
  if (error instanceof ResourceFailed) {
    const detail = new rpc.ErrorResourceInitFailed();
    detail.setId(error.id);
    detail.setProperties(toStruct(error.state));
    detail.setInputs(toStruct(error.inputs));
    detail.setReasonsList([message]);
    const packed = new anyProto.Any();
    packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const details = new statuses.Status();
    details.setCode(status.UNKNOWN);
    details.setMessage(message);
    details.addDetails(packed);
    metadata.add("grpc-status-details-bin", Buffer.from(details.serializeBinary()));
  }
  return { code: status.UNKNOWN, details: message, message, metadata };
}

type Struct = InstanceType<typeof struct.Struct>;

const toObject = (value: Struct | undefined): Properties => (value?.toJavaScript() ?? {}) as Properties;

/** Removes undefined values, which a Struct cannot hold. */
const toStruct = (value: object): Struct => struct.Struct.fromJavaScript(JSON.parse(JSON.stringify(value)));
