import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers'

export type RealServer =
  | { readonly name: string; readonly connectionString: string; stop(): Promise<void> }
  | { readonly skipped: string }

const IMAGE = 'docker.kurrent.io/kurrent-lts/kurrentdb:latest'

/** A real server: the one at EVENTSTORE_URL, else KurrentDB in a container where a Docker engine answers. */
export async function startEsdbContainer(): Promise<RealServer> {
  const url = process.env.EVENTSTORE_URL
  if (url) return { name: 'EVENTSTORE_URL', connectionString: url, stop: async () => {} }
  try {
    await getContainerRuntimeClient()
  } catch {
    return { skipped: 'EVENTSTORE_URL is not set and no Docker engine answers' }
  }
  const container = await new GenericContainer(IMAGE)
    .withEnvironment({ KURRENTDB_INSECURE: 'true', KURRENTDB_RUN_PROJECTIONS: 'None' })
    .withExposedPorts(2113)
    .withWaitStrategy(Wait.forHttp('/health/live', 2113).forStatusCode(204))
    .start()
  return {
    name: IMAGE,
    connectionString: `esdb://${container.getHost()}:${container.getMappedPort(2113)}?tls=false`,
    stop: async () => {
      await container.stop()
    },
  }
}
