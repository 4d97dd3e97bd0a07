import { createRequire } from 'node:module'

/**
 * The service definitions and messages that the client itself carries. They are CommonJS and bound to the client's own copy of
 * google-protobuf, so everything is required from the client's place.
 */
const requireHere = createRequire(import.meta.url)
const requireClient = createRequire(requireHere.resolve('@eventstore/db-client'))
const generated = (file: string) => requireClient(`../generated/${file}.js`)

export const { StreamsService }: typeof import('@eventstore/db-client/generated/streams_grpc_pb.js') =
  generated('streams_grpc_pb')
export const { GossipService }: typeof import('@eventstore/db-client/generated/gossip_grpc_pb.js') =
  generated('gossip_grpc_pb')
export const {
  ServerFeaturesService,
}: typeof import('@eventstore/db-client/generated/serverfeatures_grpc_pb.js') =
  generated('serverfeatures_grpc_pb')
export const streams: typeof import('@eventstore/db-client/generated/streams_pb.js') = generated('streams_pb')
export const shared: typeof import('@eventstore/db-client/generated/shared_pb.js') = generated('shared_pb')
export const status: typeof import('@eventstore/db-client/generated/status_pb.js') = generated('status_pb')
export const gossip: typeof import('@eventstore/db-client/generated/gossip_pb.js') = generated('gossip_pb')
export const features: typeof import('@eventstore/db-client/generated/serverfeatures_pb.js') =
  generated('serverfeatures_pb')
type Details = NonNullable<ReturnType<InstanceType<typeof status.Status>['getDetails']>>
export const { Any }: { Any: new () => Details } = requireClient('google-protobuf/google/protobuf/any_pb.js')
